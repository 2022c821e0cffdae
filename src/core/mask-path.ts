import { DaybookError } from './errors.ts'

/** What was said of the members of a JSON value: which are masked, and which are shown although their names look like a secret. */
export interface MaskTree {
  readonly masked: boolean
  readonly shown: boolean
  /** By key in lower case; `*` stands for any. */
  readonly members: ReadonlyMap<string, MaskTree>
}

const PART = /(?:^|(?<!^)\.)([^.[\]"\s]+)|\[("(?:[^"\\]|\\.)+")\]/y

/**
 * The keys of a path such as `headers.authorization` or `headers["x.key"]`; `*` stands for any key. Lists are no part of it: a path goes
 * on in each of their elements.
 * @throws DaybookError `invalid_option`, naming the option and the path.
 */
export function parseMaskPath(path: string, option: string): readonly string[] {
  const keys: string[] = []
  PART.lastIndex = 0
  for (let part = PART.exec(path); part; part = PART.exec(path)) {
    keys.push(part[1] ?? unquoted(part[2] ?? ''))
    if (PART.lastIndex === path.length) return keys
  }
  throw new DaybookError(
    'invalid_option',
    `${option}: ${JSON.stringify(path)} is no path. Join keys by dots, as in extra.headers.authorization; write odd ones as extra.headers["x.key"].`,
    { details: { option, path } },
  )
}

function unquoted(text: string): string {
  try {
    return String(JSON.parse(text))
  } catch {
    return text.slice(1, -1)
  }
}

interface Branch extends MaskTree {
  masked: boolean
  shown: boolean
  readonly members: Map<string, Branch>
}

/** Paths as one tree, for {@link memberMasks}. */
export function maskTree(masked: readonly (readonly string[])[], shown: readonly (readonly string[])[] = []): MaskTree {
  const root = branch()
  for (const keys of masked) grow(root, keys).masked = true
  for (const keys of shown) grow(root, keys).shown = true
  return root
}

function branch(): Branch {
  return { masked: false, shown: false, members: new Map() }
}

function grow(root: Branch, keys: readonly string[]): Branch {
  let at = root
  for (const key of keys) {
    const name = key.toLowerCase()
    const next = at.members.get(name) ?? branch()
    at.members.set(name, next)
    at = next
  }
  return at
}

/** What trees say of a member. */
export function memberMasks(trees: readonly MaskTree[], key: string): readonly MaskTree[] {
  if (trees.length === 0) return trees
  const name = key.toLowerCase()
  return trees.flatMap(({ members }) => [members.get(name), members.get('*')]).filter((found) => found !== undefined)
}
