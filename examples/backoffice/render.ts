import type { Response } from 'express'

/** Answers with a page. */
export async function render(res: Response, page: string | Promise<string>, status = 200): Promise<void> {
  const html = await page
  res.status(status).type('html').send(`<!doctype html>${html}`)
}

/** The notice in a page's address, if it is one of those that the page knows. */
export function noticeFrom(query: unknown, notices: Readonly<Record<string, string>>): string | undefined {
  return typeof query === 'string' && Object.hasOwn(notices, query) ? notices[query] : undefined
}
