-- What is paused in transactions that are open now, and the name that a tracked table had last, for when it is gone.

create table daybook.paused_table (
  transaction_id xid8 not null,
  tracked_id     int not null,
  model          text not null,
  table_name     text not null,
  reason         text not null,
  paused_at      timestamptz not null,
  rows_before    bigint,                            -- what the transaction had written to the table before; null: not counted
  primary key (transaction_id, tracked_id)
);

comment on table daybook.paused_table is 'Tables whose capture is paused in one transaction. Changed by daybook.pause() and daybook.resume() alone.';

alter table daybook.tracked_table add column known_name text;
