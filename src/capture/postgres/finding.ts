/** How bad it is. `error`: history is lost or can be, or it can be read or changed by somebody who should not. `info`: as it is meant to be. */
export type Severity = 'error' | 'warning' | 'info'

/** What a finding is about; only what applies is there. */
export interface Subject {
  /** A table or partition, with its schema, quoted where SQL asks for it. */
  readonly table?: string
  readonly columns?: readonly string[]
  readonly role?: string
  /** Something else of the database: a function, a month, an event trigger. */
  readonly object?: string
  /** Objects of a table by their keys, a few of those that were found. */
  readonly keys?: readonly string[]
}

/** One thing that {@link doctor} found. */
export interface Finding {
  /** Stable: test for this, never for the message. */
  readonly code: FindingCode
  readonly severity: Severity
  readonly subject: Subject
  /** One sentence: what is. */
  readonly message: string
  /** One sentence: what to do; empty where there is nothing to do. */
  readonly advice: string
  /** Whether `fix` sets it right. */
  readonly fixable: boolean
}

/** What the sentence of a finding is made of. */
export interface Observation {
  readonly table?: string
  /** Columns, triggers, tables, rights: whatever the code counts. */
  readonly names?: readonly string[]
  readonly role?: string
  readonly object?: string
  readonly keys?: readonly string[]
  readonly count?: number
  /** Of how many. */
  readonly of?: number
  readonly hours?: number
  readonly reason?: string
}

interface Rule {
  readonly severity: Severity
  readonly fixable?: true
  /** What `names` are; if not said, they stand in the message alone. */
  readonly namesAre?: 'columns'
  readonly message: (seen: Seen) => string
  readonly advice: (seen: Seen) => string
}

/** An observation with nothing missing. */
interface Seen {
  readonly table: string
  readonly names: string
  readonly nameCount: number
  readonly role: string
  readonly object: string
  readonly count: string
  readonly one: boolean
  readonly number: string
  readonly of: string
  readonly hours: string
  readonly reason: string
}

const WHICH_POOLS = 'docs/connection.md tells which pools carry it, for each ORM'

const RULES = {
  // The context on its way
  context_not_carried: {
    severity: 'error',
    message: ({ role, number, of }) =>
      `${number} of ${of} statements that were sent in a context, as ${role}, came without it: such writes are recorded as the database user's.`,
    advice: () =>
      `Make the pool with createPool() of daybook/connection/pg, and hand that very pool to the ORM (${WHICH_POOLS}).`,
  },
  context_mixed: {
    severity: 'error',
    message: ({ number, of }) =>
      `${number} of ${of} statements that were sent at once came with the context of another one: entries name the wrong person.`,
    advice: () =>
      'Let the ORM use the pool of createPool() itself: a plain pg.Pool over Daybook’s Client runs who waits in the context of who was before. With Prisma, bind its client: bindPrisma() of daybook/connection/prisma.',
  },
  transactions_not_tried: {
    severity: 'warning',
    message: () =>
      'Prisma was tried with single statements alone: in transactions a client that bindPrisma() was not called for mixes the contexts of requests.',
    advice: () => 'Try its transactions: verifyWiring((sql) => prisma.$transaction([prisma.$queryRawUnsafe(sql)])).',
  },
  context_left_behind: {
    severity: 'error',
    message: ({ number, of }) =>
      `${number} of ${of} statements that were sent without a context had one: it was left behind on the connection.`,
    advice: () =>
      'Find out who sets daybook.context for the whole session (set, or set_config with false), and make it local to the transaction.',
  },
  entry_refused: {
    severity: 'error',
    message: ({ role, reason }) => `The database takes no entry from ${role} (${reason}).`,
    advice: () =>
      'Until that is mended, writes to tracked tables fail: look into the server’s log, then run daybook doctor.',
  },
  reads_only: {
    severity: 'error',
    message: ({ role }) =>
      `The statement of ${role} reached a server, or a transaction, that takes no writes: nothing is known of those that do.`,
    advice: () => 'Pass verifyWiring a function that runs SQL where the application writes: on the primary.',
  },
  role_may_not_ask: {
    severity: 'error',
    message: ({ role }) =>
      `${role} is no member of daybook_writer: it may record no events, nor look at its own wiring.`,
    advice: ({ role }) => `Make it one: daybook init --app-role ${role}`,
  },
  sent_without_context: {
    severity: 'warning',
    message: ({ number, one }) =>
      `${number} ${one ? 'statement' : 'statements'} of this process had to go without the context that was there.`,
    advice: () =>
      'See “What goes without its context” in docs/connection.md; the pool emits unattributed on its clients.',
  },
  writes_without_context: {
    severity: 'warning',
    message: ({ table, role, number, one, of, hours, names }) =>
      `Of ${of} ${of === '1' ? 'statement' : 'statements'} by which ${role} changed ${table} in the last ${hours}, ${number} came without a context (${names}): the log names no person or job for ${one ? 'it' : 'them'}.`,
    advice: () =>
      'Jobs and scripts: run them in daybook.runAs(). Requests: call daybook.verifyWiring() in the application. By hand: sign in as a role of your own.',
  },

  // Capture
  nothing_tracked: {
    severity: 'warning',
    message: () => 'No table is tracked: no change of any is recorded.',
    advice: () => 'Name one: daybook track SCHEMA.TABLE',
  },
  trigger_missing: {
    severity: 'error',
    fixable: true,
    message: ({ table }) => `${table} is tracked but has not all triggers: its changes are not recorded.`,
    advice: () => 'Put them back: daybook doctor --fix',
  },
  trigger_disabled: {
    severity: 'error',
    fixable: true,
    message: ({ table, names }) =>
      `${table} is tracked but triggers are switched off (${names}): its changes are not recorded.`,
    advice: () => 'Switch them on: daybook doctor --fix. Then look who owns the table, for its owner can do that.',
  },
  out_of_step: {
    severity: 'error',
    fixable: true,
    message: ({ table }) => `The capture of ${table} was compiled for other columns than the table has now.`,
    advice: () =>
      'Compile it anew: daybook doctor --fix. Where it was compiled while event triggers were there, writes may fail until then.',
  },
  capture_differs: {
    severity: 'error',
    fixable: true,
    message: ({ table }) =>
      `The capture function of ${table} is not what this version compiles: it was changed by hand or by another version.`,
    advice: () => 'Compile it anew: daybook doctor --fix',
  },
  dropped_table: {
    severity: 'warning',
    fixable: true,
    message: ({ table }) => `The tracked table of the model ${table} is gone.`,
    advice: () => 'End its capture, its history stays: daybook doctor --fix',
  },
  function_differs: {
    severity: 'error',
    message: ({ object }) =>
      `${object} is not what this version installs: it was changed by hand or by another version.`,
    advice: () => 'Install it anew: daybook init',
  },
  missing_part: {
    severity: 'error',
    message: ({ object }) => `${object} of the log is missing.`,
    advice: () => 'Install it anew: daybook init',
  },
  schema_older: {
    severity: 'error',
    message: ({ names }) =>
      `The log has an older schema version than this Daybook (${names}); nothing else was looked at.`,
    advice: () => 'Upgrade it: daybook init',
  },
  schema_newer: {
    severity: 'error',
    message: ({ names }) =>
      `The log has a newer schema version than this Daybook (${names}); nothing else was looked at.`,
    advice: () => 'Use a newer Daybook.',
  },
  inheriting_table: {
    severity: 'warning',
    message: ({ table, names }) =>
      `${table} inherits from ${names}, which is tracked, but has no capture: what is written straight into it is not recorded.`,
    advice: ({ table }) => `Track it too: daybook track ${table}`,
  },
  detached_partition: {
    severity: 'warning',
    message: ({ table, names }) =>
      `${table} is no longer a partition of ${names} but has its triggers: its changes are recorded as those of ${names}.`,
    advice: ({ table }) => `Track it as a table of its own (daybook track ${table}), or drop its triggers.`,
  },
  no_event_triggers: {
    severity: 'warning',
    message: () =>
      'No event triggers are installed: the capture does not follow ALTER TABLE and new partitions by itself.',
    advice: () => 'Run daybook init as a superuser, or daybook sync in each migration that changes a tracked table.',
  },
  event_trigger_off: {
    severity: 'error',
    message: ({ object }) =>
      `The event trigger ${object} is missing or switched off: the capture does not follow the tables as it should.`,
    advice: () => 'Install it anew: daybook init, as a superuser.',
  },

  // What the log says and the tables say
  rows_differ: {
    severity: 'error',
    namesAre: 'columns',
    message: ({ table, count, one, names }) =>
      `${count} of ${table} ${one ? 'differs' : 'differ'} from what the log says last (${names}): changed while the capture was off or gone round.`,
    advice: () => 'Find out who could switch it off; the log has no entry of the change.',
  },
  rows_unrecorded: {
    severity: 'error',
    message: ({ table, count, one }) =>
      `${count} of ${table} ${one ? 'is' : 'are'} there although the log says last that ${one ? 'it is' : 'they are'} gone: made while the capture was off or gone round.`,
    advice: () => 'Find out who could switch it off; the log has no entry of the change.',
  },
  rows_gone: {
    severity: 'error',
    message: ({ table, count, one }) =>
      `${count} of ${table} ${one ? 'is' : 'are'} gone and the log has no delete of ${one ? 'it' : 'them'}: removed while the capture was off or gone round.`,
    advice: () => 'Find out who could switch it off; the last values are in the log.',
  },
  rows_gone_from_partitions: {
    severity: 'warning',
    message: ({ table, count, one }) =>
      `${count} of ${table} ${one ? 'is' : 'are'} gone and the log has no delete of ${one ? 'it' : 'them'}: a partition that was dropped or detached takes its rows along.`,
    advice: () => 'If no partition was, find out who could switch the capture off.',
  },
  rows_changed_in_gap: {
    severity: 'warning',
    message: ({ table, count, one }) =>
      `${count} of ${table} ${one ? 'is' : 'are'} otherwise than the log says, and the capture was paused, ended or narrower since: that may be why.`,
    advice: () => 'Look at the entries capture.paused, capture.untracked and capture.changed.',
  },
  rows_without_entry: {
    severity: 'warning',
    message: ({ table, count, one }) =>
      `${count} of ${table} ${one ? 'has' : 'have'} no entry: older than the tracking, or made while the capture was off.`,
    advice: ({ table }) => `Give them a first entry, so that later changes can be told: daybook baseline ${table}`,
  },
  rows_older_than_column: {
    severity: 'info',
    namesAre: 'columns',
    message: ({ table, count, names }) =>
      `${count} of ${table} can't be judged by ${names}: altered since they were recorded, and reads otherwise now.`,
    advice: () => '',
  },

  // Who could go round it
  application_superuser: {
    severity: 'error',
    message: ({ role }) =>
      `The application's role ${role} is a superuser: it can write without capture, and change the log.`,
    advice: ({ role }) => `Let the application connect as another role, or: alter role ${role} nosuperuser`,
  },
  application_owns_log: {
    severity: 'error',
    message: ({ role, names }) =>
      names === ''
        ? `The application's role ${role} is a member of daybook_owner: it can change the log.`
        : `The application's role ${role} has ${names}: it can make itself a member of daybook_owner.`,
    advice: ({ role, names }) =>
      names === '' ? `revoke daybook_owner from ${role}` : `alter role ${role} nocreaterole`,
  },
  application_owns_table: {
    severity: 'error',
    message: ({ role, names, nameCount }) =>
      `The application's role ${role} owns ${nameCount === 1 ? 'a tracked table' : `${nameCount} tracked tables`} (${names}): it can switch the capture off.`,
    advice: () => 'Let another role be the owner (alter table … owner to …), and grant the application what it needs.',
  },
  application_is_mighty: {
    severity: 'error',
    message: ({ role, names }) =>
      `The application's role ${role} is a member of ${names}: it can write into the log, or as the server.`,
    advice: ({ role, names }) => `revoke ${names} from ${role}`,
  },
  application_goes_round: {
    severity: 'error',
    message: ({ role }) =>
      `The application's role ${role} may set session_replication_role: it can write without capture.`,
    advice: ({ role }) => `revoke set on parameter session_replication_role from ${role}`,
  },
  application_reads: {
    severity: 'warning',
    message: ({ role }) =>
      `The application's role ${role} can read the whole log: it is, or can become, daybook_reader.`,
    advice: () =>
      'Give the dashboard a pool of its own (createDaybook({ pool, reader })) whose role alone is a daybook_reader.',
  },
  no_application_role: {
    severity: 'info',
    message: () => 'No role that signs in is a member of daybook_writer: which one is the application’s is not known.',
    advice: () => 'Name it: daybook init --app-role NAME',
  },
  replication_role: {
    severity: 'error',
    message: ({ role }) =>
      `session_replication_role is set to replica for ${role === '' ? 'this database or server' : role}: what is written there is not recorded.`,
    advice: ({ role }) =>
      role === '' ? 'Reset it for the database or the server.' : `alter role ${role} reset session_replication_role`,
  },
  subscription: {
    severity: 'warning',
    message: ({ table }) => `A logical subscription writes to ${table}: what it applies is not recorded here.`,
    advice: () => 'Track the table where the changes are made.',
  },
  superuser: {
    severity: 'info',
    message: ({ role }) => `${role} is a superuser: it can write without capture, and change the log.`,
    advice: () => '',
  },
  log_owner: {
    severity: 'info',
    message: ({ role, names }) =>
      `${role} ${names === '' ? 'is a member of daybook_owner' : `has ${names} and can become one of daybook_owner`}: it can change the log.`,
    advice: () => '',
  },
  table_owner: {
    severity: 'info',
    message: ({ role, names, nameCount }) =>
      `${role} owns ${nameCount === 1 ? 'a tracked table' : `${nameCount} tracked tables`} (${names}): it can switch the capture off.`,
    advice: () => '',
  },
  mighty_role: {
    severity: 'warning',
    message: ({ role, names }) => `${role} is a member of ${names}: it can write into the log, or as the server.`,
    advice: ({ role, names }) => `Unless it must: revoke ${names} from ${role}`,
  },
  goes_round: {
    severity: 'warning',
    message: ({ role }) => `${role} may set session_replication_role: it can write without capture.`,
    advice: ({ role }) => `Unless it must: revoke set on parameter session_replication_role from ${role}`,
  },

  // Rights on the log
  right_given: {
    severity: 'error',
    fixable: true,
    message: ({ role, names }) => `${role} was given rights on the log that are not Daybook's: ${names}.`,
    advice: () => 'Take them back: daybook doctor --fix',
  },
  default_privileges: {
    severity: 'warning',
    fixable: true,
    message: ({ role, names }) => `Default privileges give ${role} rights on what daybook_owner makes: ${names}.`,
    advice: () => 'Take them back: daybook doctor --fix',
  },
  foreign_owner: {
    severity: 'error',
    message: ({ object, role }) => `${object} in the schema of the log belongs to ${role}, who can change or drop it.`,
    advice: () => 'Find out what it is; drop it, or give it to daybook_owner.',
  },
  foreign_part: {
    severity: 'warning',
    message: ({ object }) => `${object} is in the schema of the log and is not Daybook's.`,
    advice: () => 'Find out what it does, and drop it.',
  },
  unpinned_function: {
    severity: 'error',
    message: ({ object }) =>
      `${object} runs with its owner's rights and has no fixed search_path: its caller could put other functions under it.`,
    advice: () => 'Install it anew: daybook init. If it is not Daybook’s, drop it.',
  },

  // Months
  months_missing: {
    severity: 'warning',
    fixable: true,
    message: ({ names }) => `No partition is made for ${names}: entries will go to the default partition.`,
    advice: () => 'Make them: daybook doctor --fix. A running application does it too.',
  },
  month_detached: {
    severity: 'error',
    message: ({ object }) => `The partition ${object} is detached: its entries are missing from the log.`,
    advice: () => 'Attach it again, or drop it if it was to go.',
  },
  default_rows: {
    severity: 'warning',
    fixable: true,
    message: () => 'Entries are in the default partition, for their month was missing.',
    advice: () => 'Move them: daybook doctor --fix',
  },

  // What is recorded
  secret_unmasked: {
    severity: 'warning',
    namesAre: 'columns',
    message: ({ table, names }) =>
      `Columns of ${table} look like secrets and are recorded, for they were unmasked: ${names}.`,
    advice: () => 'Take them from unmask, unless they are no secrets.',
  },
  secret_in_json: {
    severity: 'warning',
    namesAre: 'columns',
    message: ({ table, names, object }) =>
      `JSON of ${table} has keys that look like secrets and are recorded (${object}), in ${names}.`,
    advice: () => 'Mask or exclude the column, or keep the secret elsewhere.',
  },
  untracked_table: {
    severity: 'info',
    message: ({ table }) => `${table} is not tracked.`,
    advice: ({ table }) => `daybook track ${table}`,
  },
  excluded_columns: {
    severity: 'info',
    namesAre: 'columns',
    message: ({ table, names }) => `Of ${table} are not recorded: ${names}.`,
    advice: () => '',
  },
  masked_columns: {
    severity: 'info',
    namesAre: 'columns',
    message: ({ table, names }) => `Of ${table} are masked: ${names}.`,
    advice: () => '',
  },
  no_key: {
    severity: 'warning',
    message: ({ table }) =>
      `${table} has no primary key: its objects have entries but no timeline, and can't be compared with the log.`,
    advice: () => 'Give it a primary key.',
  },
  masked_key: {
    severity: 'warning',
    namesAre: 'columns',
    message: ({ table, names }) =>
      `The key of ${table} is masked (${names}): its objects have entries but no timeline, and can't be compared with the log.`,
    advice: () => 'Unmask it unless it is a secret, or use another key.',
  },

  not_checked: {
    severity: 'info',
    message: ({ object, reason }) => `Could not look at ${object}: ${reason}`,
    advice: () => 'Run daybook doctor as a superuser to look at everything.',
  },
} as const satisfies Readonly<Record<string, Rule>>

/** Every code that a {@link Finding} can have. */
export type FindingCode = keyof typeof RULES

const ORDER: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 }
const CODES = Object.keys(RULES)

/** Most important first, then by kind, then by what they are about. */
export function inOrderOfImportance(findings: readonly Finding[]): Finding[] {
  const about = ({ subject }: Finding) => [subject.table, subject.role, subject.object].join(' ')
  return findings.toSorted(
    (a, b) =>
      ORDER[a.severity] - ORDER[b.severity] ||
      CODES.indexOf(a.code) - CODES.indexOf(b.code) ||
      (about(a) < about(b) ? -1 : 1),
  )
}

/** What was seen, as a finding. */
export function toFinding(code: FindingCode, seen: Observation): Finding {
  const rule: Rule = RULES[code]
  const { table, names, role, object, keys, count = 0, of = 0, hours = 0, reason = '' } = seen
  const words: Seen = {
    table: table ?? '',
    names: listed(names ?? []),
    nameCount: names?.length ?? 0,
    role: role ?? '',
    object: object ?? '',
    count: count === 1 ? '1 row' : `${count.toLocaleString('en-US')} rows`,
    one: count === 1,
    number: count.toLocaleString('en-US'),
    of: of.toLocaleString('en-US'),
    hours: hours === 1 ? 'hour' : `${hours.toLocaleString('en-US')} hours`,
    reason,
  }
  return {
    code,
    severity: rule.severity,
    subject: {
      ...(table !== undefined && { table }),
      ...(rule.namesAre === 'columns' && names && { columns: names }),
      ...(role !== undefined && { role }),
      ...(object !== undefined && { object }),
      ...(keys && { keys }),
    },
    message: rule.message(words),
    advice: rule.advice(words),
    fixable: rule.fixable ?? false,
  }
}

const MAX_LISTED = 8

function listed(names: readonly string[]): string {
  const more = names.length - MAX_LISTED
  return more > 1 ? `${names.slice(0, MAX_LISTED).join(', ')} and ${more} more` : names.join(', ')
}
