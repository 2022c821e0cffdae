import { APIError } from 'better-auth/api'
import { type Response, Router } from 'express'
import { personIn, signedIn, webHeaders } from '../access.ts'
import { MINIMUM_PASSWORD_LENGTH } from '../auth.ts'
import { type FieldErrors, fieldsOf } from '../form.ts'
import { FormErrors, TextField } from '../pages/fields.tsx'
import { Heading, TimelineLink } from '../pages/heading.tsx'
import { Page } from '../pages/layout.tsx'
import { noticeFrom, render } from '../render.ts'
import type { Services } from '../services.ts'

const NOTICES = { changed: 'Your password is changed. Other devices are signed out.' }

/** What people see and change about themselves. */
export function accountRoutes({ auth }: Services): Router {
  const router = Router()

  router.get('/account', signedIn, (req, res) => show(res, {}, noticeFrom(req.query.notice, NOTICES)))

  router.post('/account/password', signedIn, async (req, res) => {
    const { current = '', wanted = '', again = '' } = fieldsOf(req.body)
    const errors = {
      ...(!current && { current: 'Enter the password that you have now.' }),
      ...(wanted.length < MINIMUM_PASSWORD_LENGTH && { wanted: `Use at least ${MINIMUM_PASSWORD_LENGTH} characters.` }),
      ...(wanted !== again && { again: 'The two don’t match.' }),
    }
    if (Object.keys(errors).length > 0) return show(res, errors, undefined)
    try {
      const { headers } = await auth.api.changePassword({
        body: { currentPassword: current, newPassword: wanted, revokeOtherSessions: true },
        headers: webHeaders(req),
        returnHeaders: true,
      })
      res.setHeader('set-cookie', headers.getSetCookie())
    } catch (error) {
      if (!(error instanceof APIError) || error.statusCode >= 500) throw error
      return show(res, { current: 'This is not your password.' }, undefined)
    }
    res.redirect(303, '/account?notice=changed')
  })

  function show(res: Response, errors: FieldErrors, notice: string | undefined): Promise<void> {
    const person = personIn(res)
    const status = Object.keys(errors).length > 0 ? 422 : 200
    return render(
      res,
      <Page title="Your account" person={person} section="/account" notice={notice}>
        <Heading title={person.name} about={person.email}>
          <TimelineLink person={person} model="User" id={person.id} />
        </Heading>
        <form method="post" action="/account/password" class="card stack narrow" novalidate>
          <h2>Change your password</h2>
          <FormErrors errors={errors} />
          <input type="hidden" name="username" value={person.email} autocomplete="username" />
          <TextField
            name="current"
            label="Password now"
            type="password"
            autocomplete="current-password"
            fields={{}}
            errors={errors}
          />
          <TextField
            name="wanted"
            label="New password"
            type="password"
            autocomplete="new-password"
            fields={{}}
            errors={errors}
            hint={`At least ${MINIMUM_PASSWORD_LENGTH} characters.`}
          />
          <TextField
            name="again"
            label="New password again"
            type="password"
            autocomplete="new-password"
            fields={{}}
            errors={errors}
          />
          <div class="actions">
            <button type="submit" class="main">
              Change the password
            </button>
          </div>
        </form>
      </Page>,
      status,
    )
  }

  return router
}
