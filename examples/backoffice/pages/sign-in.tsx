import type { FieldErrors, Fields } from '../form.ts'
import { FormErrors, TextField } from './fields.tsx'
import { Page } from './layout.tsx'

export interface SignInPageProps {
  readonly fields: Fields
  readonly errors: FieldErrors
  readonly notice: string | undefined
}

/** The sign-in page. */
export function SignInPage({ fields, errors, notice }: SignInPageProps) {
  return (
    <Page title="Sign in" person={undefined} notice={notice}>
      <div class="sign-in">
        <h1>Sign in</h1>
        <p class="about">The back office of Larkfield, wholesale for kitchen and garden.</p>
        <form method="post" action="/sign-in" class="card stack" novalidate>
          <FormErrors errors={errors} />
          <input type="hidden" name="next" value={fields.next ?? '/'} />
          <TextField name="email" label="E-mail" type="email" autocomplete="username" fields={fields} errors={errors} />
          <TextField
            name="password"
            label="Password"
            type="password"
            autocomplete="current-password"
            fields={fields}
            errors={errors}
          />
          <button type="submit" class="main">
            Sign in
          </button>
        </form>
        <details class="demo" open>
          <summary>Accounts of this demonstration</summary>
          <dl>
            <dt>admin@example.com</dt>
            <dd>does everything, reads the log</dd>
            <dt>staff@example.com</dt>
            <dd>runs the shop, reads the log</dd>
            <dt>clerk@example.com</dt>
            <dd>writes invoices, may not read the log</dd>
          </dl>
          <p>
            The password of each is <code>daybook-demo</code>.
          </p>
        </details>
      </div>
    </Page>
  )
}
