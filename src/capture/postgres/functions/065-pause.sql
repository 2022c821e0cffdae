-- Switches the capture of some tables, or of all, off for what is left of this transaction or until daybook.resume(). Only members of
-- daybook_owner may. Other transactions are captured as ever. It is an entry for each table, and so is the end, which comes with the
-- transaction's at the latest; where all is rolled back there was no gap and is no entry. A TRUNCATE is recorded, or refused, all the same.
create or replace function daybook.pause(reason text, tables text[] default null) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  relations regclass[] := array(select daybook.find_table(t) from unnest(tables) t);
  untracked text;
  paused daybook.paused_table;
begin
  if coalesce(reason, '') !~ '\S' or length(reason) > 1000 then
    raise exception using errcode = 'YD008', message = 'A pause of the capture needs a reason, of 1,000 characters at most.',
      hint = 'Say why these changes need not be in the log.';
  end if;
  if exists (select from daybook.paused_table p where p.transaction_id = pg_current_xact_id()) then
    raise exception using errcode = 'YD008', message = 'The capture is paused in this transaction already.',
      hint = 'Name all tables in one call, or end that pause with daybook.resume() first.';
  end if;
  select string_agg(r::text, ', ') into untracked
    from unnest(relations) r where not exists (select from daybook.tracked_table t where t.relation = r);
  if untracked is not null then
    raise exception using errcode = 'YD004', message = format('%s: not tracked, so that there is nothing to pause.', untracked),
      hint = 'A partitioned table is paused by the name that it is tracked by. daybook.tracked_table lists the tables that are.';
  end if;

  set constraints daybook.paused_table_end deferred;
  for paused in
    insert into daybook.paused_table
    select pg_current_xact_id(), t.id, t.model, t.relation::text, pause.reason, clock_timestamp(), daybook.rows_written(t.relation)
    from daybook.tracked_table t where tables is null or t.relation = any (relations)
    returning *
  loop
    perform daybook.write_event('capture.paused', paused.model, paused.table_name, facts => jsonb_build_object('reason', paused.reason));
  end loop;
  if paused.tracked_id is null then
    raise exception using errcode = 'YD004', message = 'There is no table whose capture could be paused.',
      hint = 'daybook.tracked_table lists the tables that are tracked.';
  end if;
  perform set_config('daybook.paused', 'on', true);
end $$;

-- Ends the pause of this transaction.
create or replace function daybook.resume() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  paused daybook.paused_table;
begin
  for paused in select p.* from daybook.paused_table p where p.transaction_id = pg_current_xact_id_if_assigned() loop
    perform daybook.end_pause(paused);
  end loop;
  if paused.tracked_id is null then
    raise exception using errcode = 'YD008', message = 'The capture is not paused in this transaction.',
      hint = 'A pause ends with its transaction: begin one, pause, write, and commit. SET CONSTRAINTS ALL IMMEDIATE ends it too.';
  end if;
end $$;

-- Whether the capture of a table is paused in this transaction. The capture functions ask for it where the setting daybook.paused says
-- that something may be, which anybody can set: what counts is the row that only daybook.pause() writes.
create or replace function daybook.is_paused(tracked_id int) returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (select from daybook.paused_table p
    where p.transaction_id = pg_current_xact_id_if_assigned() and p.tracked_id = is_paused.tracked_id);
end $$;

create or replace function daybook.end_pause(paused daybook.paused_table) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  rows_after bigint := (select daybook.rows_written(t.relation) from daybook.tracked_table t where t.id = paused.tracked_id);
begin
  delete from daybook.paused_table p where p.transaction_id = paused.transaction_id and p.tracked_id = paused.tracked_id;
  if not found then
    return;
  end if;
  perform daybook.write_event('capture.resumed', paused.model, paused.table_name, facts => jsonb_strip_nulls(jsonb_build_object(
    'reason', paused.reason,
    -- TRUNCATE starts the count anew.
    'rows', greatest(rows_after - paused.rows_before, 0),
    'duration_ms', (extract(epoch from clock_timestamp() - paused.paused_at) * 1000)::bigint)));
  if not exists (select from daybook.paused_table p where p.transaction_id = paused.transaction_id) then
    perform set_config('daybook.paused', '', true);
  end if;
end $$;

-- How many rows of a table and its partitions this transaction has inserted, updated and deleted so far, as PostgreSQL counts them:
-- also what a savepoint took back. Null where it does not count.
create or replace function daybook.rows_written(relation regclass) returns bigint
language sql volatile
as $$
  select sum(pg_stat_get_xact_tuples_inserted(r.relid) + pg_stat_get_xact_tuples_updated(r.relid) + pg_stat_get_xact_tuples_deleted(r.relid))
  from (select relation as relid union select p.relid from pg_partition_tree(relation) p) r
  where current_setting('track_counts')::boolean
$$;

-- A pause that nobody ended is over when its transaction commits.
create or replace function daybook.end_forgotten_pause() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform daybook.end_pause(new);
  return null;
end $$;

do $$
begin
  if not exists (select from pg_trigger where tgrelid = 'daybook.paused_table'::regclass and tgname = 'paused_table_end') then
    create constraint trigger paused_table_end after insert on daybook.paused_table
      deferrable initially deferred for each row execute function daybook.end_forgotten_pause();
  end if;
end $$;
