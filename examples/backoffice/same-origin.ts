import type { RequestHandler } from 'express'
import { CrossOrigin } from './refusal.ts'

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Protection against cross-site request forgery: whatever changes something must come from this origin. Browsers say where
 * a request comes from and pages can't change that; what says nothing is no browser and carries nobody's cookie. The session cookie is
 * `SameSite=Lax` besides.
 */
export const sameOrigin: RequestHandler = (req, _res, next) => {
  if (SAFE_METHODS.has(req.method)) return next()
  const site = req.get('sec-fetch-site')
  if (site === 'same-origin' || site === 'none') return next()
  const origin = req.get('origin')
  if (site === undefined && (origin === undefined || originHost(origin) === req.get('host'))) return next()
  next(new CrossOrigin())
}

function originHost(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}
