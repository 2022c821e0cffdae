import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A file that a page loads. The name in its URL holds a digest of its content, so that it can be kept for ever. */
export interface Asset {
  readonly file: AssetFile
  readonly name: string
  readonly type: string
  readonly body: string
  /** Whether it is served to all: the page that asks for a sign-in needs it. */
  readonly isOpen: boolean
}

const FILES = [
  { file: 'daybook.css', type: 'text/css; charset=utf-8', isOpen: true },
  { file: 'timeline.css', type: 'text/css; charset=utf-8', isOpen: true },
  { file: 'query.js', type: 'text/javascript; charset=utf-8', isOpen: false },
  { file: 'daybook.js', type: 'text/javascript; charset=utf-8', isOpen: false },
] as const

export type AssetFile = (typeof FILES)[number]['file']

/** Reads the files of the folder beside this module. */
export function readAssets(): readonly Asset[] {
  return FILES.map((asset) => {
    const body = readFileSync(new URL(`./assets/${asset.file}`, import.meta.url), 'utf8')
    const digest = createHash('sha256').update(body).digest('hex').slice(0, 12)
    return { ...asset, body, name: asset.file.replace('.', `-${digest}.`) }
  })
}
