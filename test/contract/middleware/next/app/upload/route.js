import { routes } from '../../host.js'

export const dynamic = 'force-dynamic'
export const POST = (request, about) => routes().upload(request, about)
