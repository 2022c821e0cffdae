-- What an entry costs: who is writing is read as one value, and two indexes are made of less.

create type daybook.origin as (
  actor_type    text,
  actor_id      text,
  actor_label   text,
  ip_address    inet,
  request_id    text,
  tenant_id     text,
  database_user text,
  context       text                                -- JSON
);

revoke usage on type daybook.origin from public;

-- Of a request's name only a number is kept in order; transactions follow each other, so that the first and last of some pages are enough.
drop index daybook.entry_request;
create index entry_request on daybook.entry (hashtextextended(request_id, 0)) where request_id is not null;
drop index daybook.entry_transaction;
create index entry_transaction on daybook.entry using brin ((transaction_id::text::bigint)) with (pages_per_range = 32, autosummarize = on);

-- Captured by a row trigger that fires first, so that entries come in the order of the changes: see daybook.needs_order().
alter table daybook.tracked_table add column by_row boolean not null default false;
