import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'

/** Chromium as it runs without a display, as any user, and asking nobody on the network for anything. `CHROMIUM` names another one. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** What axe finds on a page that keeps people out, a line a rule. */
export async function axeFindings(page: Page): Promise<string[]> {
  // Run by the debugger's protocol, which the page's policy does not concern.
  await page.evaluate(axe.source)
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') }
    // For a shadow tree's stylesheet it would make a style of its own, which the page's policy forbids; no rule that runs needs it.
    const { violations } = await axe.run({ preload: false })
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
  })
}
