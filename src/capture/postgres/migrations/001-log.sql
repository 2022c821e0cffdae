-- The log: one table of entries, partitioned by month, and what is tracked. Run as the role daybook_owner.

create table daybook.migration (
  version    int primary key,
  name       text not null,
  applied_at timestamptz not null default now()
);

create sequence daybook.entry_id as bigint cache 1;

-- An entry whose statement_id is null is the first of its statement: it also carries what all entries of the statement share
-- (transaction_id to context). The others name it in statement_id, so that a bulk change does not repeat them.
create table daybook.entry (
  id                 bigint not null default nextval('daybook.entry_id'),
  recorded_at        timestamptz not null,
  statement_id       bigint,
  ip_address         inet,
  action             text collate "C" not null,
  outcome            text collate "C",              -- null: success
  actor_type         text collate "C" not null,
  actor_id           text collate "C",
  tenant_id          text collate "C",
  model              text collate "C",
  object_id          text collate "C",
  object_label       text,
  previous_object_id text collate "C",              -- the key before, where an update changed it
  related_model      text collate "C",
  related_id         text collate "C",
  related_label      text,
  changes            text,                          -- JSON: field -> [old, new]
  changed_fields     text[],                        -- of a create or delete: shared, for it is the same for all rows of the statement
  transaction_id     xid8,
  table_name         text,
  actor_label        text,
  request_id         text collate "C",
  database_user      text,
  context            text,                          -- JSON
  primary key (id, recorded_at)
) partition by range (recorded_at);

comment on table daybook.entry is 'The log as it is stored. Read the view daybook.entries: this table may change with any version.';

create table daybook.entry_default partition of daybook.entry default;

-- What all entries of a statement share is indexed once a statement, on its first entry: a bulk change writes ten thousand entries
-- but one key into these. Readers find the statements and then their entries.
create index entry_first on daybook.entry (id) where statement_id is null;
create index entry_actor on daybook.entry (actor_id, id) where statement_id is null;
create index entry_model on daybook.entry (model, id) where statement_id is null;
create index entry_action on daybook.entry (action, id) where statement_id is null;
create index entry_outcome on daybook.entry (outcome, id) where outcome is not null;
create index entry_ip_address on daybook.entry (ip_address, id) where statement_id is null and ip_address is not null;
create index entry_request on daybook.entry (request_id) where request_id is not null;
create index entry_transaction on daybook.entry (transaction_id) where transaction_id is not null;
create index entry_statement on daybook.entry (statement_id) where statement_id is not null;

-- What is an entry's own.
create index entry_object on daybook.entry (object_id, id);
create index entry_previous_object on daybook.entry (previous_object_id, id) where previous_object_id is not null;
create index entry_related on daybook.entry (related_id, id) where related_id is not null;

create index entry_recorded_at on daybook.entry using brin (recorded_at) with (pages_per_range = 32);

create table daybook.tracked_table (
  id                int generated always as identity primary key,
  relation          regclass not null unique,
  model             text not null,
  label_columns     text[] not null default '{}',
  include_columns   text[],                         -- null: all
  exclude_columns   text[] not null default '{}',
  mask_columns      text[] not null default '{}',
  unmask_columns    text[] not null default '{}',
  truncate_policy   text not null default 'record' check (truncate_policy in ('record', 'refuse')),
  permission_columns text[] not null default '{}',  -- a change of these is a change of permissions
  link_kind         text check (link_kind in ('link', 'permission')),
  link_from         text,
  link_to           text,
  known_columns     jsonb not null default '{}',    -- number -> name when the capture was compiled: a renamed column is found again
  known_shape       text,                           -- its columns, their types and its key when the capture was compiled: see daybook.shape_of()
  tracked_at        timestamptz not null default now(),
  check (num_nulls(link_kind, link_from, link_to) in (0, 3))
);

comment on table daybook.tracked_table is 'The tables whose changes are captured, and how. Changed by daybook.track() and daybook.untrack() alone.';
