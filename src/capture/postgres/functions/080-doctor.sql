-- What `daybook doctor` looks at. These functions only look, and give what they see without judging it: src/capture/postgres/doctor.ts
-- says what it means. Readers may call the first three.

-- What is wrong or worth knowing about the tables, the roles and the months: a code, and what it is about.
create or replace function daybook.findings() returns table (code text, relation text, names text[], role text)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set "TimeZone" = 'UTC'
as $$
declare
  log_owner oid := 'daybook_owner'::regrole;
begin
  -- Tables. Those of an extension are its own affair.
  return query select 'untracked_table', c.oid::regclass::text, null::text[], null::text
    from pg_class c join pg_namespace s on s.oid = c.relnamespace
    where c.relkind in ('r', 'p') and c.relpersistence <> 't' and not c.relispartition
      and s.nspname not in ('daybook', 'pg_catalog', 'information_schema') and s.nspname !~ '^pg_(toast|temp)'
      and not exists (select from daybook.tracked_table t where t.relation = c.oid)
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
      and not exists (select from daybook.inheriting_relations() i where i.relid = c.oid);
  return query select 'dropped_table', coalesce(t.model, t.id::text), null::text[], null::text
    from daybook.tracked_table t where not exists (select from pg_class c where c.oid = t.relation);
  return query select f.code, t.relation::text, f.names, null::text
    from daybook.tracked_table t join pg_class k on k.oid = t.relation
    cross join lateral (
      select 'excluded_columns' as code, array_agg(c.name) filter (where not c.recorded) as names from daybook.tracked_columns(t) c
      union all
      select 'masked_columns', array_agg(c.name) filter (where c.recorded and c.masked) from daybook.tracked_columns(t) c
      union all
      select 'secret_unmasked', array_agg(c.name) filter (where c.recorded and not c.masked and daybook.looks_secret(c.name)) from daybook.tracked_columns(t) c
      union all
      select 'masked_key', array_agg(c.name) filter (where c.key_position is not null and c.masked) from daybook.tracked_columns(t) c where t.link_kind is null
      union all
      select 'no_key', array[]::text[] where not exists (select from pg_index i where i.indrelid = t.relation and i.indisprimary)
      union all
      select 'out_of_step', array[]::text[] where t.known_shape is distinct from daybook.shape_of(t.relation)
    ) f
    where f.names is not null;

  -- Triggers.
  return query select case when n.off is null then 'trigger_missing' else 'trigger_disabled' end, u.relid::text, n.off, null::text
    from daybook.tracked_table t join pg_class c on c.oid = t.relation
    cross join lateral daybook.uncaptured_relations(t.id) u
    cross join lateral (
      select array_agg(g.tgname::text order by g.tgname) filter (where g.tgenabled in ('D', 'R')) as off
      from pg_trigger g join pg_proc f on f.oid = g.tgfoid
      where g.tgrelid = u.relid and f.pronamespace = 'daybook'::regnamespace and f.proname in ('capture_' || t.id, 'capture_row_' || t.id)) n;
  return query select 'inheriting_table', i.relid::text, array[i.parent::text], null::text from daybook.inheriting_relations() i;
  return query select 'detached_partition', c.relid::text, array[t.relation::text], null::text
    from daybook.tracked_table t cross join lateral daybook.captured_relations(t.id) c
    where c.relid <> t.relation and not exists (select from pg_partition_tree(t.relation) p where p.relid = c.relid);
  return query select 'subscription', s.srrelid::regclass::text, null::text[], null::text
    from pg_subscription_rel s
    where exists (select from daybook.tracked_table t cross join lateral daybook.captured_relations(t.id) c where c.relid = s.srrelid)
      and not exists (select from pg_trigger g join pg_proc f on f.oid = g.tgfoid
        where g.tgrelid = s.srrelid and f.pronamespace = 'daybook'::regnamespace and g.tgenabled = 'A');
  return query select 'replication_role', null::text, null::text[], case when s.setrole <> 0 then pg_get_userbyid(s.setrole)::text end
    from pg_db_role_setting s cross join lateral unnest(s.setconfig) c
    where s.setdatabase in (0, (select d.oid from pg_database d where d.datname = current_database())) and c = 'session_replication_role=replica';
  return query select 'replication_role', null::text, null::text[], null::text
    from pg_settings s where s.name = 'session_replication_role' and s.setting = 'replica' and s.source in ('configuration file', 'command line');

  -- Roles that sign in here. An application's are those that were let record events.
  return query
    with role as (
      select r.*, daybook.is_granted(r.oid, 'daybook_writer') as application from pg_roles r
      where r.rolcanlogin and has_database_privilege(r.oid, current_database(), 'connect')
    ), owned as (
      select distinct r.rolname, r.application, t.relation::text as relation
      from role r cross join daybook.tracked_table t
      join lateral (select t.relation as relid union select p.relid from pg_partition_tree(t.relation) p) p on true
      join pg_class c on c.oid = p.relid
      where not r.rolsuper and pg_has_role(r.oid, c.relowner, 'member')
    )
    select 'no_application_role', null::text, null::text[], null::text where not exists (select from role r where r.application)
    union all
    select case when r.application then 'application_superuser' else 'superuser' end, null, null, r.rolname::text from role r where r.rolsuper
    union all
    select case when r.application then 'application_owns_log' else 'log_owner' end, null, null, r.rolname from role r
      where not r.rolsuper and pg_has_role(r.oid, log_owner, 'member')
    union all
    -- Until PostgreSQL 15 this lets a role make itself a member of any other but superusers.
    select case when r.application then 'application_owns_log' else 'log_owner' end, null, array['CREATEROLE'], r.rolname from role r
      where not r.rolsuper and r.rolcreaterole and current_setting('server_version_num')::int < 160000 and not pg_has_role(r.oid, log_owner, 'member')
    union all
    select case when o.application then 'application_owns_table' else 'table_owner' end, null, array_agg(o.relation order by o.relation), o.rolname
      from owned o group by o.rolname, o.application
    union all
    select 'application_reads', null, null, r.rolname from role r
      where r.application and not r.rolsuper and pg_has_role(r.oid, 'daybook_reader', 'member') and not pg_has_role(r.oid, log_owner, 'member')
    union all
    select case when r.application then 'application_is_mighty' else 'mighty_role' end, null, array_agg(m.name order by m.name), r.rolname
      from role r cross join unnest(array['pg_write_all_data', 'pg_execute_server_program', 'pg_write_server_files']) m (name)
      where not r.rolsuper and pg_has_role(r.oid, m.name, 'member') group by r.rolname, r.application
    union all
    select case when r.application then 'application_goes_round' else 'goes_round' end, null, null, r.rolname from role r
      where not r.rolsuper and has_parameter_privilege(r.oid, 'session_replication_role', 'set');

  -- Months.
  return query select 'months_missing', null::text, array_agg(m.name order by m.name), null::text
    from (select to_char(date_trunc('month', now()) + make_interval(months => ahead), '"entry_"YYYY_MM') as name from generate_series(0, 3) ahead) m
    where to_regclass('daybook.' || m.name) is null having count(*) > 0;
  return query select 'month_detached', c.relname::text, null::text[], null::text
    from pg_class c where c.relnamespace = 'daybook'::regnamespace and c.relkind = 'r' and c.relname ~ '^entry_[0-9]{4}_[0-9]{2}$' and not c.relispartition;
  return query select 'default_rows', null::text, null::text[], null::text where exists (select from daybook.entry_default);
end $$;

-- Whether a role was made a member of another, itself or through others; that a superuser is one of all does not count, nor does the right
-- to make others members.
create or replace function daybook.is_granted(member oid, granted name) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive members as (
    select r.oid from pg_roles r where r.rolname = granted
    union
    select a.member from members m join pg_auth_members a on a.roleid = m.oid
    -- PostgreSQL 15 has neither column.
    where coalesce((to_jsonb(a) ->> 'inherit_option')::boolean, true) or coalesce((to_jsonb(a) ->> 'set_option')::boolean, true)
  )
  select exists (select from members m where m.oid = is_granted.member)
$$;

-- Tables that inherit from a tracked one, are no partitions and have no capture of their own.
create or replace function daybook.inheriting_relations() returns table (relid regclass, parent regclass)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive child as (
    select i.inhrelid, t.relation as parent from daybook.tracked_table t join pg_inherits i on i.inhparent = t.relation
    union
    select i.inhrelid, c.parent from child c join pg_inherits i on i.inhparent = c.inhrelid
  )
  select c.inhrelid::regclass, c.parent from child c join pg_class k on k.oid = c.inhrelid
  where not k.relispartition and not exists (select from daybook.tracked_table t where t.relation = c.inhrelid)
$$;

-- Who may do what with the log, beside the owners of its parts: `part` is the schema, or the name of what is in it.
create or replace function daybook.granted_rights() returns table (kind text, part text, object text, grantee text, privilege text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select o.kind, o.part, o.object, case a.grantee when 0 then 'PUBLIC' else pg_get_userbyid(a.grantee)::text end, a.privilege_type
  from (
    select 'schema' as kind, 'daybook' as part, 'daybook' as object, nspacl as rights, nspowner as owner from pg_namespace where nspname = 'daybook'
    union all
    select case relkind when 'S' then 'sequence' else 'table' end, relname, oid::regclass::text, relacl, relowner
      from pg_class where relnamespace = 'daybook'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S', 'f')
    union all
    select 'table', c.relname, c.oid::regclass::text, a.attacl, c.relowner
      from pg_attribute a join pg_class c on c.oid = a.attrelid where c.relnamespace = 'daybook'::regnamespace and a.attacl is not null
    union all
    select 'function', proname, oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner)), proowner
      from pg_proc where pronamespace = 'daybook'::regnamespace
  ) o
  cross join lateral aclexplode(o.rights) a
  where a.grantee <> o.owner
  union
  -- What the log's owner will make: a month, for one.
  select 'default', case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' else 'schemas' end,
    case when d.defaclnamespace <> 0 then 'daybook' end,
    case a.grantee when 0 then 'PUBLIC' else pg_get_userbyid(a.grantee)::text end, a.privilege_type
  from pg_default_acl d cross join lateral aclexplode(d.defaclacl) a
  where d.defaclrole = 'daybook_owner'::regrole and d.defaclnamespace in (0, 'daybook'::regnamespace) and d.defaclobjtype in ('r', 'S', 'f', 'n')
    and a.grantee <> d.defaclrole and not (a.grantee = 0 and d.defaclobjtype = 'f')
$$;

-- What is in the schema, and how a function is written. What belongs to a table (types, indexes, the sequence of a column) is left out.
create or replace function daybook.parts() returns table (
  kind text, part text, object text, owner text, trusted boolean, source text, unpinned boolean, off boolean, month boolean)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select o.kind, o.part, o.object, pg_get_userbyid(o.owner)::text,
    o.owner is null or exists (select from pg_roles r where r.oid = o.owner and (r.rolsuper or r.rolname in ('daybook_owner', 'daybook_lookup', 'daybook_follower'))),
    o.source, o.unpinned, o.off, o.month
  from (
    select 'function' as kind, p.proname::text as part, p.oid::regprocedure::text as object, p.proowner as owner, p.prosrc as source,
      p.prosecdef and not coalesce(p.proconfig && array['search_path=pg_catalog, pg_temp'], false) as unpinned, false as off, false as month
    from pg_proc p where p.pronamespace = 'daybook'::regnamespace
    union all
    select case c.relkind when 'S' then 'sequence' when 'v' then 'view' else 'table' end, c.relname, c.oid::regclass::text, c.relowner, null, false, false,
      exists (select from pg_inherits i where i.inhrelid = c.oid and i.inhparent = to_regclass('daybook.entry'))
    from pg_class c where c.relnamespace = 'daybook'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'i' and d.refobjsubid > 0)
    union all
    select 'trigger', g.tgname, g.tgrelid::regclass::text, null, null, false, false, false
    from pg_trigger g join pg_class c on c.oid = g.tgrelid where c.relnamespace = 'daybook'::regnamespace and not g.tgisinternal and g.tgparentid = 0
    union all
    select 'rule', r.rulename, r.ev_class::regclass::text, null, null, false, false, false
    from pg_rewrite r join pg_class c on c.oid = r.ev_class where c.relnamespace = 'daybook'::regnamespace and r.rulename <> '_RETURN'
    union all
    select 'row-level security', c.relname, c.oid::regclass::text, null, null, false, false, false
    from pg_class c where c.relnamespace = 'daybook'::regnamespace and (c.relrowsecurity or c.relforcerowsecurity)
    union all
    select 'event trigger', e.evtname, e.evtfoid::regprocedure::text, e.evtowner, null, false, e.evtenabled not in ('O', 'A'), false
    from pg_event_trigger e where e.evtname like 'daybook!_%' escape '!'
  ) o
$$;

-- Takes back what default privileges give away of what the log's owner is still to make.
create or replace function daybook.revoke_defaults() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  given record;
begin
  for given in select distinct r.part, r.object, case r.grantee when 'PUBLIC' then 'public' else quote_ident(r.grantee) end as grantee
    from daybook.granted_rights() r where r.kind = 'default'
  loop
    execute format('alter default privileges for role daybook_owner %s revoke all on %s from %s', 'in schema ' || given.object, given.part, given.grantee);
  end loop;
end $$;

-- The number that a transaction has in entries, of the one that rows carry.
create or replace function daybook.full_xid(short xid) returns numeric
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select case when short::text::numeric < 3 then 0
    when n.low + n.epoch > n.next then n.low + n.epoch - 4294967296
    else n.low + n.epoch end
  from (select short::text::numeric as low, m.next, trunc(m.next / 4294967296) * 4294967296 as epoch
    from (select pg_snapshot_xmax(pg_current_snapshot())::text::numeric as next) m) n
$$;

-- The columns of a tracked table that its rows are compared with the log by, and since which transaction a column, or the type that it is
-- of, is as it is: what was recorded before may read otherwise now. Columns that name something else of the database read as that is called.
create or replace function daybook.compared_columns(tracked_id int, out name text, out in_key boolean, out masked boolean, out json_type text, out known_since text)
returns setof record
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select c.name, c.key_position is not null, c.masked, (select b.built_in::text from daybook.base_type(c.type) b where b.built_in in ('json', 'jsonb')), s.since::text
  from daybook.tracked_table t cross join lateral daybook.tracked_columns(t) c
  join pg_attribute a on a.attrelid = t.relation and a.attname = c.name and a.attnum > 0
  cross join lateral (
    with recursive used as (
      select y.* from pg_type y where y.oid = c.type
      union
      select y.* from used u left join pg_attribute f on f.attrelid = u.typrelid and u.typrelid <> 0 and f.attnum > 0 and not f.attisdropped
        left join pg_range r on r.rngtypid = u.oid
        join pg_type y on y.oid in (u.typelem, u.typbasetype, f.atttypid, r.rngsubtype)
    )
    select max(daybook.full_xid(x.xmin)) as since, bool_or(x.oid < 10000 and (x.name ~ '^_?reg' or x.name in ('aclitem', '_aclitem'))) as named
    from (
      select a.xmin, u.oid, u.typname as name from used u
      union all
      select y.xmin, y.oid, y.typname from used u join pg_type y on y.oid = u.oid
      union all
      select e.xmin, 10000, '' from used u join pg_enum e on e.enumtypid = u.oid
      union all
      select f.xmin, 10000, '' from used u join pg_attribute f on f.attrelid = u.typrelid and u.typrelid <> 0
    ) x
  ) s
  where t.id = tracked_id and c.recorded and not s.named
  order by a.attnum
$$;

-- SQL that gives the rows of a tracked table as the capture would record them: key, the two ends of a link, where the row is, and the
-- compared columns' values in their order. `look_for` is `keys`, those in $1, or `links`, those from $1 to $2; without it, a sample of
-- about `at_most` rows, or all.
create or replace function daybook.recorded_rows_sql(tracked_id int, max_bytes int, look_for text default null, at_most bigint default null) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  tracked daybook.tracked_table := (select t from daybook.tracked_table t where t.id = tracked_id);
  columns text := (select string_agg(daybook.recorded_text_sql(tracked, c.name, 'n', max_bytes), ', ' order by a.attnum)
    from daybook.compared_columns(tracked_id) c
    join pg_attribute a on a.attrelid = tracked.relation and a.attname = c.name and a.attnum > 0);
  size numeric := daybook.rows_about(tracked.relation);
  source text;
begin
  if look_for = 'keys' then
    -- A key of the log as the key's own type, so that the index finds it; not as a domain, whose checks are its owner's code.
    source := format('unnest($1::text[]) w (key) join %s n on %s', tracked.relation,
      (select string_agg(format('%s %s (%s)::%s', daybook.key_value_sql(tracked, k.name, 'n'), k.equal,
          case when count = 1 then 'w.key' else format('w.key::json ->> %s', k.place - 1) end, k.type), ' and ')
        from (select k.*, count(*) over () from daybook.key_columns(tracked) k) k));
  elsif look_for = 'links' then
    select format('unnest($1::text[], $2::text[]) w (key, related) join %s n on %s', tracked.relation,
        string_agg(format('%s %s (%s)::%s', daybook.key_value_sql(tracked, l.name, 'n'), k.equal, l.given, k.type), ' and '))
      into source
      from (values (tracked.link_from, 'w.key'), (tracked.link_to, 'w.related')) l (name, given)
      cross join lateral daybook.key_columns(daybook.referenced_table(tracked.relation, l.name)) k;
  else
    source := format('%s%s n%s', case when (select c.relkind from pg_class c where c.oid = tracked.relation) = 'r' then 'only ' else '' end, tracked.relation,
      case when size > at_most then format(' tablesample system (%s)', least(100, round(120 * at_most / size, 6))) end);
  end if;
  return format('select %s as key, %s as link_from, %s as link_to, n.tableoid::regclass::text as stored_in, array[%s]::text[] as values from %s%s',
    daybook.object_key_sql(tracked, 'n'),
    coalesce(daybook.link_key_sql(tracked, tracked.link_from, 'n'), 'null::text'),
    coalesce(daybook.link_key_sql(tracked, tracked.link_to, 'n'), 'null::text'),
    columns, source, ' limit ' || at_most);
end $$;

-- How many rows a table and its partitions have, as PostgreSQL estimates it.
create or replace function daybook.rows_about(relation regclass) returns numeric
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(sum(greatest(c.reltuples, 0)), 0)::numeric from pg_class c
  where (c.oid = relation and c.relkind <> 'p') or c.oid in (select p.relid from pg_partition_tree(relation) p where p.isleaf)
$$;

-- The names by which the entries of a tracked table go, and between which entries: it may have been renamed, and another table may have
-- had its name before.
create or replace function daybook.names_of(tracked_id int) returns table (name text, after_id bigint, before_id bigint)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  event record;
begin
  name := (select t.relation::text from daybook.tracked_table t where t.id = tracked_id);
  before_id := 9223372036854775807;
  loop
    select e.id, e.table_name, v.changes -> 'table' ->> 0 as former into event
      from daybook.entry e join daybook.entries v on v.id = e.id
      where e.statement_id is null and e.id < before_id and e.table_name is not null
        and ((e.action = 'capture.changed' and 'table' = any (e.changed_fields) and name in (e.table_name, v.changes -> 'table' ->> 0))
          or (e.action = 'capture.untracked' and e.table_name = name and v.context ->> 'reason' = 'The table was dropped.'))
      order by e.id desc limit 1;
    after_id := coalesce(event.id, 0);
    return next;
    exit when event.former is null or event.table_name <> name;
    name := event.former;
    before_id := event.id;
  end loop;
end $$;

-- Entries after which an object of a table may be otherwise than the entries before say, through no fault: it was truncated, or its capture was off.
create or replace function daybook.gaps() returns table (id bigint, table_name text, truncated boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select e.id, e.table_name, e.action = 'truncate' from daybook.entry e
  where e.statement_id is null and e.table_name is not null
    and (e.action in ('truncate', 'capture.paused', 'capture.resumed', 'capture.tracked', 'capture.untracked')
      or (e.action = 'capture.changed' and e.changed_fields && '{include,exclude}'))
$$;
