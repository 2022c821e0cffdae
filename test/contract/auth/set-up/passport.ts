import type { Daybook } from 'daybook'
import { passportEvents, passportStrategy } from 'daybook/auth/passport'
import { expressContext } from 'daybook/middleware/express'
import express, { type Express } from 'express'
import session from 'express-session'
import passport from 'passport'
import { Strategy } from 'passport-local'
import type { Account, Accounts } from '../subject.ts'

export function addSignIn(application: Express, accounts: Accounts, daybook: Daybook, secret: string): void {
  passport.serializeUser((user, done) => done(null, (user as Account).id))
  passport.deserializeUser((id, done) => {
    accounts.get(id).then((account) => done(null, account ?? false), done)
  })
  const strategy = new Strategy((username, password, done) => {
    accounts.find(username, password).then((account) => done(null, account ?? false), done)
  })
  passport.use(passportStrategy(daybook, strategy))

  application.use(
    expressContext(daybook),
    session({ secret, resave: false, saveUninitialized: false }),
    passport.session(),
    passportEvents(daybook, { actor: (user: Account) => ({ id: String(user.id), label: user.email }) }),
  )
  application.post('/sign-in', express.json(), passport.authenticate('local', { successRedirect: '/' }))
  application.post('/sign-out', (request, response, next) => {
    request.logOut((error) => (error ? next(error) : response.redirect('/')))
  })
}
