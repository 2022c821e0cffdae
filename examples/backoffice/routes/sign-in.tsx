import { APIError } from 'better-auth/api'
import { Router } from 'express'
import { safeNext, webHeaders } from '../access.ts'
import { fieldsOf } from '../form.ts'
import { SignInPage } from '../pages/sign-in.tsx'
import { noticeFrom, render } from '../render.ts'
import type { Services } from '../services.ts'

const NOTICES = { 'signed-out': 'You are signed out.' }

/** Signing in and out. */
export function signInRoutes({ auth }: Services): Router {
  const router = Router()

  router.get('/sign-in', async (req, res) => {
    const next = safeNext(req.query.next)
    if (res.locals.person) return res.redirect(303, next)
    await render(res, <SignInPage fields={{ next }} errors={{}} notice={noticeFrom(req.query.notice, NOTICES)} />)
  })

  router.post('/sign-in', async (req, res) => {
    const fields = fieldsOf(req.body)
    const next = safeNext(fields.next)
    const refuse = (errors: Record<string, string>, status: number) =>
      render(
        res,
        <SignInPage fields={{ email: fields.email ?? '', next }} errors={errors} notice={undefined} />,
        status,
      )
    const email = fields.email?.trim().toLowerCase() ?? ''
    const errors = {
      ...(!email && { email: 'Enter your e-mail address.' }),
      ...(!fields.password && { password: 'Enter your password.' }),
    }
    if (Object.keys(errors).length > 0) return refuse(errors, 422)
    try {
      const { headers } = await auth.api.signInEmail({
        body: { email, password: fields.password ?? '' },
        headers: webHeaders(req),
        returnHeaders: true,
      })
      res.setHeader('set-cookie', headers.getSetCookie())
    } catch (error) {
      if (!(error instanceof APIError) || error.statusCode >= 500) throw error
      return refuse({ form: 'That e-mail address and password don’t belong together.' }, 401)
    }
    res.redirect(303, next)
  })

  router.post('/sign-out', async (req, res) => {
    if (res.locals.person) {
      const { headers } = await auth.api.signOut({ headers: webHeaders(req), returnHeaders: true })
      res.setHeader('set-cookie', headers.getSetCookie())
    }
    res.redirect(303, '/sign-in?notice=signed-out')
  })

  return router
}
