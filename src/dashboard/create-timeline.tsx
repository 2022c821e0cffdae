import type { Authorize } from '../core/authorize.ts'
import { DaybookError } from '../core/errors.ts'
import type { Tables } from '../core/table.ts'
import type { Store } from '../store/index.ts'
import { readAssets } from './assets.ts'
import { displayWith } from './display-of.ts'
import {
  checkTimelineOptions,
  type EmbeddedObject,
  EmptyTimeline,
  embeddedTimeline,
  NoTimeline,
  type TimelineOptions,
} from './embedded-timeline.tsx'
import { createLinks } from './links.ts'
import { writeMarkup } from './markup.ts'
import { parseObject } from './timeline-page.tsx'

/** What the timelines of an application are made with. */
export interface TimelineSource {
  readonly store: Store
  /** May this request read the log? Needed for those that come with a request. */
  readonly authorize: Authorize | undefined
  readonly tables: Tables | undefined
  readonly onError: (error: unknown) => void
}

/** Gives the history of one object as HTML; empty for whom it is not for. */
export type Timeline = (options: TimelineOptions) => Promise<string>

/** Makes what puts the history of one object into the application's own page. It rejects for wrong options alone. */
export function createTimeline({ store, authorize, tables, onError }: TimelineSource): Timeline {
  const assets = readAssets()
  const displayOf = displayWith(store, tables)

  return async (options) => {
    checkTimelineOptions(options)
    if ('request' in options && options.request && !authorize) {
      throw new DaybookError(
        'invalid_option',
        'daybook.timeline: a request is given, and createDaybook has no authorize to ask about it. Pass one there, or the viewer here.',
      )
    }
    const links = createLinks((options.basePath ?? '').replace(/\/+$/, ''), assets)
    try {
      if ('request' in options && options.request) {
        const authorization = await authorize?.(options.request)
        if (authorization?.allow !== true) return ''
      }
      if (!canBeObject(options)) return writeMarkup(<EmptyTimeline links={links} />)
      return await writeMarkup(embeddedTimeline({ store, links, displayOf }, options))
    } catch (error) {
      onError(error)
      return writeMarkup(<NoTimeline links={links} />)
    }
  }
}

/** What comes from the address of the application's page can be the name of nothing, and then nothing is on record of it. */
function canBeObject({ model, id }: EmbeddedObject): boolean {
  try {
    parseObject({ model, id }, new URLSearchParams())
    return true
  } catch {
    return false
  }
}
