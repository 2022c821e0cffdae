import { routes } from '../../../host.js'

export const dynamic = 'force-dynamic'
export const GET = (request, about) => routes().audit(request, about)
