-- What an entry costs: who is writing is read as one value, and two indexes are made of less.

create domain daybook.actor_type as text not null
  check (value in ('user', 'service', 'job', 'database', 'anonymous', 'unknown'));
-- What the database itself sees of the writer stands in entries as "database": nobody else says it.
create domain daybook.context_rest as jsonb check (jsonb_typeof(value) = 'object' and not value ? 'database');

-- As Daybook's clients send it too, as one row's text. What is longer than it may be is no such value.
create type daybook.origin as (
  actor_type  daybook.actor_type,
  actor_id    varchar(256),
  actor_label varchar(256),
  ip_address  inet,
  request_id  varchar(128),
  tenant_id   varchar(128),
  context     daybook.context_rest                  -- what has no column of its own
);

-- The parts of a context that was sent as JSON.
create type daybook.sent_actor as (
  type  text,
  id    varchar(256),
  label varchar(256)
);
create type daybook.sent_context as (
  actor      daybook.sent_actor,
  ip_address inet,
  request_id varchar(128),
  tenant_id  varchar(128)
);

revoke usage on type daybook.actor_type, daybook.context_rest, daybook.origin, daybook.sent_actor, daybook.sent_context from public;

-- What the database itself sees of the writer, once a statement.
alter table daybook.entry
  add column database_address     inet,
  add column database_application text,
  add column database_role        text;
alter table daybook.entry
  alter column database_address     set default inet_client_addr(),
  alter column database_application set default nullif(current_setting('application_name'), ''),
  alter column database_role        set default nullif(current_setting('role'), 'none');

-- Of a request's name only a number is kept in order; transactions follow each other, so that the first and last of some pages are enough.
drop index daybook.entry_request;
create index entry_request on daybook.entry (hashtextextended(request_id, 0)) where request_id is not null;
drop index daybook.entry_transaction;
create index entry_transaction on daybook.entry using brin ((transaction_id::text::bigint)) with (pages_per_range = 32, autosummarize = on);

-- Captured by a row trigger that fires first, so that entries come in the order of the changes: see daybook.needs_order().
alter table daybook.tracked_table add column by_row boolean not null default false;
