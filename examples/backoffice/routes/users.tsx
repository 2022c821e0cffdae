import { type Response, Router } from 'express'
import { sql } from 'kysely'
import { z } from 'zod'
import { personIn, requireRight, signedIn } from '../access.ts'
import { email, type FieldErrors, type Fields, fieldsOf, readForm, requiredText, rowId } from '../form.ts'
import { formatDay } from '../format.ts'
import { Checkbox, FormErrors, TextField } from '../pages/fields.tsx'
import { Heading, TimelineLink } from '../pages/heading.tsx'
import { Page } from '../pages/layout.tsx'
import { isUniqueViolation } from '../postgres-error.ts'
import { NotFound } from '../refusal.ts'
import { noticeFrom, render } from '../render.ts'
import type { Services } from '../services.ts'

const NOTICES = { saved: 'Saved.', granted: 'The role is granted.', revoked: 'The role is revoked.' }

const userForm = z.object({
  name: requiredText('a name'),
  email,
  is_active: z
    .literal('yes')
    .optional()
    .transform((yes) => yes === 'yes'),
})

/** Users and their roles; for superusers alone. */
export function userRoutes({ db }: Services): Router {
  const router = Router()
  router.use('/users', signedIn, requireRight('users'))

  async function userOf(id: unknown) {
    const user = await db
      .selectFrom('user')
      .select(['id', 'name', 'email', 'is_active', 'created_at'])
      .where('id', '=', rowId(id) ?? 0)
      .executeTakeFirst()
    if (!user) throw new NotFound()
    return user
  }

  router.get('/users', async (_req, res) => {
    const person = personIn(res)
    const users = await db
      .selectFrom('user')
      .leftJoin('user_role', 'user_role.user_id', 'user.id')
      .leftJoin('role', 'role.id', 'user_role.role_id')
      .select(['user.id', 'user.name', 'user.email', 'user.is_active'])
      .select(
        sql<string[]>`coalesce(array_agg(role.name order by role.name) filter (where role.id is not null), '{}')`.as(
          'roles',
        ),
      )
      .groupBy('user.id')
      .orderBy('user.name')
      .execute()
    await render(
      res,
      <Page title="Users" person={person} section="/users">
        <Heading title="Users" about="The people of the shop, and what they may do here." />
        <div class="card table">
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th class="wide">E-mail</th>
                <th>Roles</th>
              </tr>
            </thead>
            <tbody>
              {users.map((user) => (
                <tr>
                  <td>
                    <a class="row-link" href={`/users/${user.id}`}>
                      {user.name}
                    </a>
                    <small class="narrow-only">{user.email}</small>
                    {!user.is_active && <small>deactivated</small>}
                  </td>
                  <td class="wide">{user.email}</td>
                  <td>
                    {user.roles.length > 0 ? (
                      user.roles.map((role) => <span class="role">{role}</span>)
                    ) : (
                      <span class="faint">none</span>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Page>,
    )
  })

  router.get('/users/:id', async (req, res) => {
    const { name, email, is_active } = await userOf(req.params.id)
    const notice = noticeFrom(req.query.notice, NOTICES)
    await render(
      res,
      await userPage(res, req.params.id, { name, email, is_active: is_active ? 'yes' : '' }, {}, notice),
    )
  })

  router.post('/users/:id', async (req, res) => {
    const user = await userOf(req.params.id)
    const fields = fieldsOf(req.body)
    const again = async (errors: FieldErrors) =>
      render(res, await userPage(res, req.params.id, fields, errors, undefined), 422)
    const form = readForm(userForm, fields)
    if (!form.ok) return again(form.errors)
    if (!form.values.is_active && user.id === personIn(res).id) return again({ form: 'You can’t deactivate yourself.' })
    try {
      await db.transaction().execute(async (trx) => {
        await trx.updateTable('user').set(form.values).where('id', '=', user.id).execute()
        if (!form.values.is_active) await trx.deleteFrom('session').where('user_id', '=', user.id).execute()
      })
      res.redirect(303, `/users/${user.id}?notice=saved`)
    } catch (error) {
      if (isUniqueViolation(error)) return again({ email: 'Somebody else has this e-mail address.' })
      throw error
    }
  })

  router.post('/users/:id/roles', async (req, res) => {
    const user = await userOf(req.params.id)
    const role = await roleOf(fieldsOf(req.body).role_id)
    await db
      .insertInto('user_role')
      .values({ user_id: user.id, role_id: role.id })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    res.redirect(303, `/users/${user.id}?notice=granted`)
  })

  router.post('/users/:id/roles/:role/revoke', async (req, res) => {
    const user = await userOf(req.params.id)
    const role = await roleOf(req.params.role)
    if (role.name === 'superuser' && user.id === personIn(res).id) {
      const { name, email, is_active } = user
      const errors = { form: 'You can’t take the role of superuser from yourself; ask another one.' }
      const fields = { name, email, is_active: is_active ? 'yes' : '' }
      return render(res, await userPage(res, req.params.id, fields, errors, undefined), 422)
    }
    await db.deleteFrom('user_role').where('user_id', '=', user.id).where('role_id', '=', role.id).execute()
    res.redirect(303, `/users/${user.id}?notice=revoked`)
  })

  async function roleOf(id: unknown) {
    const role = await db
      .selectFrom('role')
      .selectAll()
      .where('id', '=', rowId(id) ?? 0)
      .executeTakeFirst()
    if (!role) throw new NotFound()
    return role
  }

  async function userPage(res: Response, id: string, fields: Fields, errors: FieldErrors, notice: string | undefined) {
    const person = personIn(res)
    const user = await userOf(id)
    const roles = await db
      .selectFrom('role')
      .leftJoin('user_role', (join) =>
        join.onRef('user_role.role_id', '=', 'role.id').on('user_role.user_id', '=', user.id),
      )
      .select(['role.id', 'role.name', 'role.description', sql<boolean>`user_role.user_id is not null`.as('has')])
      .orderBy('role.id')
      .execute()
    return (
      <Page title={user.name} person={person} section="/users" notice={notice}>
        <Heading title={user.name} above={['/users', 'Users']} about={`Here since ${formatDay(user.created_at)}`}>
          <TimelineLink person={person} model="User" id={user.id} />
        </Heading>
        <FormErrors errors={errors} />
        <div class="two">
          <form method="post" action={`/users/${user.id}`} class="card stack" novalidate>
            <h2>Account</h2>
            <TextField name="name" label="Name" fields={fields} errors={errors} />
            <TextField name="email" label="E-mail" type="email" fields={fields} errors={errors} />
            <Checkbox
              name="is_active"
              label="May sign in"
              fields={fields}
              hint="Without it, open sessions end at once."
            />
            <div class="actions">
              <button type="submit" class="main">
                Save
              </button>
            </div>
          </form>
          <section class="card" aria-labelledby="roles">
            <h2 id="roles">Roles</h2>
            <ul class="roles">
              {roles.map((role) => (
                <li>
                  <div>
                    <b>{role.name}</b>
                    <small>{role.description}</small>
                  </div>
                  {role.has ? (
                    <form method="post" action={`/users/${user.id}/roles/${role.id}/revoke`}>
                      <button type="submit" aria-label={`Revoke ${role.name}`}>
                        Revoke
                      </button>
                    </form>
                  ) : (
                    <form method="post" action={`/users/${user.id}/roles`}>
                      <input type="hidden" name="role_id" value={role.id} />
                      <button type="submit" class="grant" aria-label={`Grant ${role.name}`}>
                        Grant
                      </button>
                    </form>
                  )}
                </li>
              ))}
            </ul>
          </section>
        </div>
      </Page>
    )
  }

  return router
}
