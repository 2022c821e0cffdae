-- Whether the context of the application arrives, as the application's own role may ask: src/capture/postgres/wiring.ts says what it means.

-- Who is writing now as the capture sees it, as JSON text. With `writes` an entry is written and read back as well, and undone again.
create or replace function daybook.probe(writes boolean) returns text
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  origin daybook.origin := daybook.current_origin();
  entry_id bigint;
  recorded text;
  refused text;
begin
  if writes then
    begin
      entry_id := daybook.write_event('capture.probed', null);
      recorded := (select e.request_id from daybook.entries e where e.id = entry_id);
      raise exception using errcode = 'YD000', message = 'Undone.';
    exception
      when sqlstate 'YD000' then null;
      when others then refused := sqlstate || ': ' || sqlerrm;
    end;
  end if;
  return json_build_object(
    'carried', coalesce(current_setting('daybook.context', true), '') <> '',
    'mark', origin.request_id,
    'recorded', recorded,
    'refused', refused,
    'read_only', current_setting('transaction_read_only') = 'on');
end $$;

-- What of daybook.findings() keeps the writes of who asks from being recorded, or lets who asks rewrite the log.
create or replace function daybook.wiring() returns table (code text, relation text, names text[], role text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  with finding as materialized (select f.* from daybook.findings() f)
  select f.code, f.relation, f.names, f.role from finding f
    where f.code in ('trigger_missing', 'trigger_disabled', 'out_of_step') or f.code = 'replication_role' and f.role is null
  union
  select 'replication_role', null, null, session_user where current_setting('session_replication_role') = 'replica'
  union
  select coalesce(m.code, f.code), null, f.names, f.role
    from finding f
    left join (values ('superuser', 'application_superuser'), ('log_owner', 'application_owns_log'), ('table_owner', 'application_owns_table'),
      ('mighty_role', 'application_is_mighty'), ('goes_round', 'application_goes_round')) m (seen, code) on m.seen = f.code
    where f.role = session_user and (m.code is not null or f.code ~ '^application_' and f.code <> 'application_reads')
  union
  select 'nothing_tracked', null, null, null where not exists (select from daybook.tracked_table)
$$;

-- The roles that sign in here and were let record events.
create or replace function daybook.application_roles() returns setof text
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select r.rolname::text from pg_roles r
  where r.rolcanlogin and has_database_privilege(r.oid, current_database(), 'connect') and daybook.is_granted(r.oid, 'daybook_writer')
  order by 1
$$;

-- What the application's roles wrote to tracked tables since a moment, by table and program, and how much of it came without a context:
-- statements, the newest `at_most` of the log.
create or replace function daybook.attribution(since timestamptz, at_most int)
returns table (role text, relation text, program text, statements int, without_context int)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select e.database_user, e.table_name, e.database_application, count(*)::int,
    (count(*) filter (where e.actor_type = 'database' and e.actor_id = e.database_user))::int
  -- The newest first and their times then: by time alone, a whole month would be gone through where nothing is that new.
  from (select n.* from daybook.entry n where n.statement_id is null order by n.id desc limit at_most) e
  where e.recorded_at >= since and e.table_name is not null and e.action !~ '^capture[.]' and e.database_user in (select daybook.application_roles())
  group by 1, 2, 3
$$;
