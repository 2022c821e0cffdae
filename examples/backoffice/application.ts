import { fileURLToPath } from 'node:url'
import { expressContext, expressDashboard } from 'daybook/middleware/express'
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import { personOf, webHeaders } from './access.ts'
import { NotFound } from './refusal.ts'
import { refuse } from './refuse.tsx'
import { accountRoutes } from './routes/account.tsx'
import { customerRoutes } from './routes/customers.tsx'
import { homeRoutes } from './routes/home.tsx'
import { invoiceRoutes } from './routes/invoices.tsx'
import { productRoutes } from './routes/products.tsx'
import { signInRoutes } from './routes/sign-in.tsx'
import { userRoutes } from './routes/users.tsx'
import { sameOrigin } from './same-origin.ts'
import type { Services } from './services.ts'

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "img-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

const securityHeaders: RequestHandler = (_req, res, next) => {
  res.set({
    'content-security-policy': CONTENT_SECURITY_POLICY,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'same-origin',
    'cache-control': 'no-store',
  })
  next()
}

/** The back office as an Express application. */
export function createApplication(services: Services): Express {
  const { auth, daybook, db } = services
  const app = express()
  app.disable('x-powered-by')
  app.use('/assets', express.static(fileURLToPath(new URL('./public', import.meta.url))))
  // Browsers ask for it on pages that name no icon, such as the dashboard's.
  app.get('/favicon.ico', (_req, res) => res.redirect(301, '/assets/larkfield.svg'))

  // From here on every write carries the request: its address, its route, and the person once they are known.
  app.use(expressContext(daybook))
  app.use(async (req, res, next) => {
    const person = await personOf(webHeaders(req), auth, db)
    if (person) daybook.setActor({ id: String(person.id), label: person.email })
    res.locals.person = person
    next()
  })
  app.use('/audit', expressDashboard(daybook))

  app.use(securityHeaders, sameOrigin, express.urlencoded({ extended: false }))
  app.use(signInRoutes(services))
  app.use(homeRoutes(services))
  app.use(invoiceRoutes(services))
  app.use(customerRoutes(services))
  app.use(productRoutes(services))
  app.use(userRoutes(services))
  app.use(accountRoutes(services))
  app.use(() => {
    throw new NotFound()
  })
  app.use(((error, _req, res, next) => {
    if (res.headersSent) return next(error)
    refuse(error, res, services).catch(next)
  }) satisfies ErrorRequestHandler)
  return app
}
