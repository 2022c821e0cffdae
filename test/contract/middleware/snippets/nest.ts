import type { IncomingMessage } from 'node:http'
import type { Type } from '@nestjs/common'
import { APP_INTERCEPTOR, NestFactory } from '@nestjs/core'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { expressContext, expressDashboard } from 'daybook/middleware/express'
import { nestActor } from 'daybook/middleware/nest'
import { daybook } from './audit.ts'
import { signedIn } from './sessions.ts'

/** Of the application's module: the actor is named after the guards, so it may as well be `(request) => request.user`. */
export const providers = [
  { provide: APP_INTERCEPTOR, useValue: nestActor<IncomingMessage>(({ headers }) => signedIn(headers.cookie)) },
]

export async function createApp(module: Type): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(module)
  app.use(expressContext(daybook))
  app.use('/audit', expressDashboard(daybook))
  return app
}
