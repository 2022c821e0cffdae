-- Makes the partition of one month and gives its name, or null where it is there already. Rows that had fallen into the default
-- partition move into it. Only for the month that is being written, which is missing when nobody made it ahead, does it take a lock
-- that writers wait for; for any other, none. Where no lock_timeout is set, it gives up after 0.2 s: try again.
-- A month is stored where the log is: in the tablespace of daybook.entry, with those of its indexes that have none of their own.
create or replace function daybook.make_month(month timestamptz) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set "TimeZone" = 'UTC'
set default_tablespace = ''
as $$
declare
  first timestamptz := date_trunc('month', month);
  next timestamptz := first + interval '1 month';
  partition text := 'entry_' || to_char(first, 'YYYY_MM');
  patience text := current_setting('lock_timeout');
begin
  if to_regclass(format('daybook.%I', partition)) is not null then
    return null;
  end if;
  if patience = '0' then
    perform set_config('lock_timeout', '200ms', true);
  end if;
  -- Two callers at once: one makes the month, the other sees it and goes on. An advisory lock could be held by anybody.
  lock table daybook.migration in share update exclusive mode;
  if to_regclass(format('daybook.%I', partition)) is not null then
    perform set_config('lock_timeout', patience, true);
    return null;
  end if;

  if clock_timestamp() between first - interval '1 day' and next + interval '1 day' then
    -- A row that is on its way into the default partition while this month is attached would be refused there.
    lock table only daybook.entry in share row exclusive mode;
  end if;
  perform set_config('default_tablespace', s.spcname, true)
    from pg_class c join pg_tablespace s on s.oid = c.reltablespace where c.oid = 'daybook.entry'::regclass;
  -- PARTITION OF would lock the whole log against readers and writers; ATTACH does not.
  execute format('create table daybook.%I (like daybook.entry including defaults including constraints)', partition);
  perform daybook.revoke_relation(format('daybook.%I', partition)::regclass);
  execute format('with moved as (delete from daybook.entry_default where recorded_at >= %L and recorded_at < %L returning *) insert into daybook.%I select * from moved',
    first, next, partition);
  -- With the bound known beforehand, attaching does not read the rows again.
  execute format('alter table daybook.%I add constraint month_bound check (recorded_at is not null and recorded_at >= %L and recorded_at < %L)',
    partition, first, next);
  execute format('alter table daybook.entry attach partition daybook.%I for values from (%L) to (%L)', partition, first, next);
  execute format('alter table daybook.%I drop constraint month_bound', partition);
  perform set_config('lock_timeout', patience, true);
  return partition;
end $$;

-- Makes the partitions of the current month, of the given number of months after it, and of months whose rows fell into the default
-- partition; gives the names of those it made.
create or replace function daybook.ensure_months(months_ahead int default 3) returns setof text
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set "TimeZone" = 'UTC'
as $$
declare
  month timestamptz;
  made text;
  patience text := current_setting('lock_timeout');
begin
  if months_ahead not between 0 and 120 then
    raise exception using errcode = 'YD008', message = format('Daybook can''t make %s months ahead.', months_ahead),
      hint = 'Give a number from 0 to 120.';
  end if;
  if patience = '0' then
    perform set_config('lock_timeout', '200ms', true);
  end if;
  -- Before anything of the log is looked at: two callers that hold a look at the default partition would wait for each other.
  lock table daybook.migration in share update exclusive mode;
  for month in
    select m from generate_series(date_trunc('month', now()), date_trunc('month', now()) + make_interval(months => months_ahead), interval '1 month') m
    union
    select date_trunc('month', d.recorded_at) from daybook.entry_default d group by 1
    order by 1
  loop
    made := daybook.make_month(month);
    if made is not null then
      return next made;
    end if;
  end loop;
  perform set_config('lock_timeout', patience, true);
end $$;
