import { createDisplay } from '../core/display.ts'
import type { Tables } from '../core/table.ts'
import type { Store } from '../store/index.ts'
import type { Visit } from './visit.ts'

/** The display of some entries: what they refer to is looked up for them all at once. */
export function displayWith(store: Store, tables: Tables | undefined): Visit['displayOf'] {
  return async (entries) => {
    const display = createDisplay(tables, await store.foreignKeys())
    return display.withLabels(await store.labels(entries.flatMap(display.references)))
  }
}
