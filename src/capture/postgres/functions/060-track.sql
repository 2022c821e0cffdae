-- The table that a name stands for: as it is written (`sales.Invoice`), as SQL reads it (`sales."Invoice"`), or in public.
create or replace function daybook.find_table(name text) returns regclass
language plpgsql stable
as $$
declare
  found oid[] := array(select c.oid from pg_class c join pg_namespace s on s.oid = c.relnamespace
    where s.nspname || '.' || c.relname = name and c.relkind in ('r', 'p', 'v', 'm', 'f'));
  parsed regclass;
begin
  begin
    parsed := to_regclass(case when name ~ '[."]' then name else format('public.%I', name) end);
  exception when others then
    parsed := null;
  end;
  if cardinality(found) = 1 then
    return found[1];
  end if;
  if parsed is null then
    raise exception using errcode = 'YD001', message = format('There is no table %s in this database.', name),
      hint = 'Write it as schema.table, as it is spelled in the database.';
  end if;
  return parsed;
end $$;

-- Says how a table is to be captured, and compiles its capture function. It takes no lock that a writer waits for; a table that has
-- its triggers already is captured so from the next statement on.
create or replace function daybook.configure_table(
  table_name text,
  model text default null,
  label_columns text[] default '{}',
  include_columns text[] default null,
  exclude_columns text[] default '{}',
  mask_columns text[] default '{}',
  unmask_columns text[] default '{}',
  truncate_policy text default 'record',
  permission_to text default null,
  permission_grants text default null,
  permission_columns text[] default '{}',
  link_from text default null,
  link_to text default null)
returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  relation regclass := daybook.find_table(table_name);
  class record;
  tracked daybook.tracked_table;
  before jsonb;
  unknown text;
begin
  -- Two callers at once would stumble over the rights and functions that both change.
  lock table daybook.tracked_table in share update exclusive mode;
  select c.oid, c.relkind, c.relpersistence, c.relname, s.nspname into class
    from pg_class c join pg_namespace s on s.oid = c.relnamespace where c.oid = relation;
  if class.nspname in ('daybook', 'pg_catalog', 'information_schema', 'pg_toast') then
    raise exception using errcode = 'YD003', message = format('%s can''t be tracked: it is a table of %s itself.', relation,
      case class.nspname when 'daybook' then 'Daybook' else 'PostgreSQL' end), hint = 'Track the tables of your application.';
  elsif class.relpersistence = 't' or class.relkind not in ('r', 'p') then
    raise exception using errcode = 'YD003', message = format('%s can''t be tracked: it is a %s.', relation,
      case when class.relpersistence = 't' then 'temporary table' when class.relkind = 'v' then 'view' when class.relkind = 'm' then 'materialized view'
        when class.relkind = 'f' then 'foreign table' else 'relation of another kind' end),
      hint = 'Track the tables that it reads from.';
  end if;
  select t.relation::text into unknown
  from daybook.tracked_table t
  where t.relation <> class.oid and (t.relation in (select relid from pg_partition_ancestors(class.oid))
    or class.oid in (select relid from pg_partition_ancestors(t.relation)));
  if unknown is not null then
    raise exception using errcode = 'YD003', message = format('%s can''t be tracked beside %s: one is a partition of the other.', relation, unknown),
      hint = 'A partitioned table is tracked with all its partitions: untrack the partition.';
  end if;

  select string_agg(distinct quote_ident(c), ', ') into unknown
  from unnest(label_columns || coalesce(include_columns, '{}') || exclude_columns || mask_columns || unmask_columns || permission_columns
    || array_remove(array[permission_to, permission_grants, link_from, link_to], null)) c
  where not exists (select from pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
    and (a.attname = c or (c = any (mask_columns) and a.attname = (daybook.path_keys(c))[1])));
  if unknown is not null then
    raise exception using errcode = 'YD002', message = format('%s has no column %s.', relation, unknown),
      hint = 'Its columns are ' || (select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
        where attrelid = relation and attnum > 0 and not attisdropped) || '.';
  end if;
  select string_agg(m.mask, ', ') into unknown
  from unnest(mask_columns) m (mask) join pg_attribute a on a.attrelid = relation and a.attname = (daybook.path_keys(m.mask))[1] and a.attnum > 0
  where coalesce((daybook.base_type(a.atttypid)).built_in, '') not in ('json', 'jsonb')
    and not exists (select from pg_attribute c where c.attrelid = relation and c.attname = m.mask and not c.attisdropped);
  if unknown is not null then
    raise exception using errcode = 'YD003', message = format('%s: there is no path %s to mask, for the column holds no JSON.', relation, unknown),
      hint = 'Paths lead into columns of the types json and jsonb. Mask the column as a whole.';
  end if;
  if include_columns is not null and exclude_columns <> '{}' then
    raise exception using errcode = 'YD003', message = format('%s: include and exclude were both given.', relation),
      hint = 'Name either the columns to record or the columns to leave out.';
  end if;
  if num_nulls(permission_to, permission_grants) = 1 or num_nulls(link_from, link_to) = 1 or num_nulls(permission_to, link_from) = 0 then
    raise exception using errcode = 'YD003', message = format('%s: a link has two columns, and is either a permission or a plain link.', relation),
      hint = 'Give permission_to with permission_grants, or link_from with link_to.';
  end if;
  if length(model) > 256 or cardinality(label_columns) > 16 then
    raise exception using errcode = 'YD003', message = format('%s: a model''s name has 256 characters at most, a label 16 columns.', relation),
      hint = 'Choose a shorter name, or fewer columns.';
  end if;
  if truncate_policy not in ('record', 'refuse') then
    raise exception using errcode = 'YD003', message = format('%s: "%s" is no truncate policy.', relation, left(truncate_policy, 64)),
      hint = 'Use record or refuse.';
  end if;

  before := (select daybook.options_of(t) from daybook.tracked_table t where t.relation = class.oid);
  insert into daybook.tracked_table as t (relation, model, label_columns, include_columns, exclude_columns, mask_columns, unmask_columns,
    truncate_policy, permission_columns, link_kind, link_from, link_to)
  values (relation, coalesce(nullif(model, ''), replace(initcap(replace(class.relname, '_', ' ')), ' ', '')), label_columns, include_columns,
    exclude_columns, mask_columns, unmask_columns, truncate_policy, permission_columns,
    case when permission_to is not null then 'permission' when link_from is not null then 'link' end,
    coalesce(permission_to, link_from), coalesce(permission_grants, link_to))
  on conflict on constraint tracked_table_relation_key do update set
    model = excluded.model, label_columns = excluded.label_columns, include_columns = excluded.include_columns,
    exclude_columns = excluded.exclude_columns, mask_columns = excluded.mask_columns, unmask_columns = excluded.unmask_columns,
    truncate_policy = excluded.truncate_policy, permission_columns = excluded.permission_columns,
    link_kind = excluded.link_kind, link_from = excluded.link_from, link_to = excluded.link_to, known_columns = '{}'
  returning t.* into tracked;

  select string_agg(quote_ident(c.name), ', ') into unknown
  from daybook.tracked_columns(tracked) c where c.masked and c.name = any (label_columns);
  if unknown is not null then
    raise exception using errcode = 'YD003', message = format('%s: the label can''t be taken from %s, which is masked.', relation, unknown),
      hint = 'Take the label from another column, or unmask this one.';
  end if;
  select string_agg(quote_ident(l.name), ', ') into unknown
  from unnest(label_columns) l (name) where not exists (select from daybook.tracked_columns(tracked) c where c.name = l.name);
  if unknown is not null then
    raise exception using errcode = 'YD003', message = format('%s: the label can''t be taken from %s, which is generated when it is read.', relation, unknown),
      hint = 'Take the label from the columns that it is made of.';
  end if;
  select string_agg(quote_ident(c.name), ', ') into unknown
  from daybook.tracked_columns(tracked) c where (c.masked or not c.recorded) and c.name in (tracked.link_from, tracked.link_to);
  if unknown is not null then
    raise exception using errcode = 'YD003', message = format('%s: %s names an object of a link but is masked or not recorded.', relation, unknown),
      hint = 'Include it, and unmask it where it is masked because of its name.';
  end if;
  perform daybook.referenced_table(tracked.relation, l.name) from unnest(array[tracked.link_from, tracked.link_to]) l (name) where l.name is not null;
  select string_agg(quote_ident(c.name), ', ') into unknown
  from daybook.tracked_columns(tracked) c where not c.recorded and c.name = any (permission_columns);
  if unknown is not null then
    raise exception using errcode = 'YD003', message = format('%s: %s tells a permission but is not recorded.', relation, unknown),
      hint = 'Include it, or take it from the permission columns.';
  end if;
  if not exists (select from daybook.tracked_columns(tracked) c where c.recorded) then
    raise exception using errcode = 'YD003', message = format('%s: no column is left to record.', relation), hint = 'Exclude fewer columns.';
  end if;

  perform daybook.compile_capture(tracked.id);
  perform daybook.record_options(tracked.id, before);
  return tracked.id;
end $$;

-- What was said of a table when it was tracked, by the names that people know the options by; without those that say nothing.
create or replace function daybook.options_of(tracked daybook.tracked_table) returns jsonb
language sql immutable
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'model', tracked.model,
    'label', nullif(to_jsonb(tracked.label_columns), '[]'),
    'include', to_jsonb(tracked.include_columns),
    'exclude', nullif(to_jsonb(tracked.exclude_columns), '[]'),
    'mask', nullif(to_jsonb(tracked.mask_columns), '[]'),
    'unmask', nullif(to_jsonb(tracked.unmask_columns), '[]'),
    'truncate', tracked.truncate_policy,
    'permission', case tracked.link_kind when 'permission' then jsonb_build_object('to', tracked.link_from, 'grants', tracked.link_to) end,
    'link', case tracked.link_kind when 'link' then jsonb_build_object('from', tracked.link_from, 'to', tracked.link_to) end,
    'permission_columns', nullif(to_jsonb(tracked.permission_columns), '[]')))
$$;

-- The options that differ, as the changes of an entry; null where none does.
create or replace function daybook.changed_options(before jsonb, after jsonb) returns json
language sql immutable
as $$
  select json_object_agg(o.option, json_build_array(before -> o.option, after -> o.option) order by o.place)
  from unnest('{table,model,label,include,exclude,mask,unmask,truncate,permission,link,permission_columns}'::text[]) with ordinality as o (option, place)
  where before -> o.option is distinct from after -> o.option
$$;

-- Writes the entry of a table that is tracked from now on, otherwise than before, or by another name; none where nothing changed. Notes
-- the table's name: entries of the time before have the one that it had.
create or replace function daybook.record_options(tracked_id int, before jsonb) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  tracked daybook.tracked_table := (select t from daybook.tracked_table t where t.id = tracked_id);
  table_name text := tracked.relation::text;
  after jsonb := daybook.options_of(tracked) || case when before is null then '{}' else jsonb_build_object('table', table_name) end;
  changes json := daybook.changed_options(before || jsonb_build_object('table', coalesce(tracked.known_name, table_name)), after);
begin
  update daybook.tracked_table t set known_name = table_name where t.id = tracked_id and t.known_name is distinct from table_name;
  if changes is not null then
    perform daybook.write_event(case when before is null then 'capture.tracked' else 'capture.changed' end, tracked.model, table_name, changes => changes);
  end if;
end $$;

-- Captures every change of a table from the next statement on; called again, it changes how. The role that calls it must be a member
-- of daybook_owner and have the right to make triggers on the table (its owner has). It locks the table against writers for
-- a moment: set lock_timeout and try again, as the command line does.
create or replace function daybook.track(
  table_name text,
  model text default null,
  label_columns text[] default '{}',
  include_columns text[] default null,
  exclude_columns text[] default '{}',
  mask_columns text[] default '{}',
  unmask_columns text[] default '{}',
  truncate_policy text default 'record',
  permission_to text default null,
  permission_grants text default null,
  permission_columns text[] default '{}',
  link_from text default null,
  link_to text default null)
returns int
language plpgsql
as $$
declare
  tracked_id int := daybook.configure_table(table_name, model, label_columns, include_columns, exclude_columns, mask_columns,
    unmask_columns, truncate_policy, permission_to, permission_grants, permission_columns, link_from, link_to);
begin
  perform daybook.set_triggers(tracked_id);
  return tracked_id;
end $$;

-- Puts the triggers on a tracked table and its partitions where they are missing, or on one of these, and gives how many were locked for
-- it. A trigger that is there is replaced in one step: there is no moment without it. Where no lock_timeout is set, it gives up after
-- 0.2 s, for writers wait as long as it waits.
create or replace function daybook.set_triggers(tracked_id int, only_on regclass default null) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  capture text := 'capture_' || tracked_id;
  uncaptured record;
  done int := 0;
  patience text := current_setting('lock_timeout');
begin
  if patience = '0' then
    perform set_config('lock_timeout', '200ms', true);
  end if;
  for uncaptured in select u.* from daybook.uncaptured_relations(tracked_id) u where u.relid = coalesce(only_on, u.relid) loop
    perform daybook.allow_reading(uncaptured.relid);
    execute format('create or replace trigger daybook_truncate before truncate on %s for each statement execute function daybook.%I()', uncaptured.relid, capture);
    if '!daybook_row' = any (uncaptured.expected) then
      execute format('create or replace trigger "!daybook_row" after insert or update or delete on %s for each row execute function daybook.%I()',
        uncaptured.relid, 'capture_row_' || tracked_id);
    else
      execute format('create or replace trigger daybook_insert after insert on %s referencing new table as new_rows for each statement execute function daybook.%I()', uncaptured.relid, capture);
      execute format('create or replace trigger daybook_update after update on %s referencing old table as old_rows new table as new_rows for each statement execute function daybook.%I()', uncaptured.relid, capture);
      execute format('create or replace trigger daybook_delete after delete on %s referencing old table as old_rows for each statement execute function daybook.%I()', uncaptured.relid, capture);
    end if;
    if 'daybook_routed' = any (uncaptured.expected) then
      execute format('create or replace trigger daybook_routed before insert on %s for each row when (false) execute function daybook.%I()', uncaptured.relid, capture);
    end if;
    perform daybook.drop_triggers_but(tracked_id, uncaptured.relid, uncaptured.expected);
    done := done + 1;
  end loop;
  perform set_config('lock_timeout', patience, true);
  return done;
end $$;

-- Labels and the count of a truncated table are read as daybook_lookup. Where these rights can't be given, entries go without.
create or replace function daybook.allow_reading(relation regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  schema regnamespace := (select relnamespace from pg_class where oid = relation);
begin
  if not has_schema_privilege('daybook_lookup', schema, 'usage') then
    execute format('grant usage on schema %s to daybook_lookup', schema);
  end if;
  if not has_table_privilege('daybook_lookup', relation, 'select') then
    execute format('grant select on %s to daybook_lookup', relation);
  end if;
exception when insufficient_privilege then
  raise notice 'Daybook may not read %: labels of linked objects are left out, and truncated rows are estimated.', relation;
end $$;

-- The tracked table and its partitions, as far as its triggers are not those that are expected there, or are switched off. The name of the
-- row trigger begins with "!" because triggers fire in the order of their names, and it must be the first. The one of partitions that is
-- never called keeps PostgreSQL from handing on rows that it routed as it has them in its hands at the end: without stored generated
-- columns, and by MERGE in PostgreSQL 18 the next row in the place of an updated one.
create or replace function daybook.uncaptured_relations(tracked_id int) returns table (relid regclass, expected text[])
language sql stable rows 1
set search_path = pg_catalog, pg_temp
as $$
  select r.relid, e.expected
  from daybook.tracked_table t
  cross join lateral (select t.relation as relid union select p.relid from pg_partition_tree(t.relation) p) r
  cross join lateral (select case when t.by_row then '{!daybook_row,daybook_truncate}'
    when exists (select from pg_class c where c.oid = r.relid and c.relispartition and c.relkind = 'r')
      then '{daybook_delete,daybook_insert,daybook_routed,daybook_truncate,daybook_update}'
    else '{daybook_delete,daybook_insert,daybook_truncate,daybook_update}' end::text[] as expected) e
  where t.id = tracked_id and e.expected <> array(
    select g.tgname::text from pg_trigger g join pg_proc f on f.oid = g.tgfoid
    where g.tgrelid = r.relid and not g.tgisinternal and g.tgenabled in ('O', 'A') and f.pronamespace = 'daybook'::regnamespace
      and f.proname in ('capture_' || tracked_id, 'capture_row_' || tracked_id)
    order by g.tgname collate "C")
$$;

-- Ends the capture of a table. Its history stays.
create or replace function daybook.untrack(table_name text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  relation regclass := daybook.find_table(table_name);
  tracked daybook.tracked_table := (select t from daybook.tracked_table t where t.relation = daybook.find_table(table_name));
begin
  if tracked.id is null then
    raise exception using errcode = 'YD004', message = format('%s is not tracked.', relation), hint = 'daybook.tracked_table lists the tables that are.';
  end if;
  perform daybook.drop_triggers(tracked.id);
  perform daybook.drop_capture(tracked.id);
end $$;

-- Where a tracked table's triggers are: on itself, its partitions, and partitions that were detached since.
create or replace function daybook.captured_relations(tracked_id int) returns table (relid regclass)
language sql stable rows 1
set search_path = pg_catalog, pg_temp
as $$
  select distinct g.tgrelid::regclass from pg_trigger g join pg_proc f on f.oid = g.tgfoid
  where f.pronamespace = 'daybook'::regnamespace and f.proname in ('capture_' || tracked_id, 'capture_row_' || tracked_id)
$$;

-- Takes the triggers off a tracked table and its partitions, or off one of these; its patience is that of set_triggers.
create or replace function daybook.drop_triggers(tracked_id int, only_on regclass default null) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  relation regclass;
  patience text := current_setting('lock_timeout');
begin
  if patience = '0' then
    perform set_config('lock_timeout', '200ms', true);
  end if;
  for relation in select c.relid from daybook.captured_relations(tracked_id) c where c.relid = coalesce(only_on, c.relid) loop
    perform daybook.drop_triggers_but(tracked_id, relation, '{}');
    execute format('revoke select on %s from daybook_lookup', relation);
  end loop;
  perform set_config('lock_timeout', patience, true);
end $$;

create or replace function daybook.drop_triggers_but(tracked_id int, relation regclass, kept text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  name name;
begin
  for name in
    select g.tgname from pg_trigger g join pg_proc f on f.oid = g.tgfoid
    where g.tgrelid = relation and f.pronamespace = 'daybook'::regnamespace and f.proname in ('capture_' || tracked_id, 'capture_row_' || tracked_id)
      and not g.tgname = any (kept)
  loop
    execute format('drop trigger %I on %s', name, relation);
  end loop;
end $$;

create or replace function daybook.drop_capture(tracked_id int) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  tracked daybook.tracked_table;
begin
  execute format('drop function if exists daybook.%I(), daybook.%I()', 'capture_' || tracked_id, 'capture_row_' || tracked_id);
  delete from daybook.tracked_table t where t.id = tracked_id returning t.* into tracked;
  if not found then
    return;
  end if;
  perform daybook.write_event('capture.untracked', tracked.model, tracked.known_name,
    changes => daybook.changed_options(daybook.options_of(tracked), null),
    facts => case when exists (select from pg_class c where c.oid = tracked.relation) then '{}' else '{"reason": "The table was dropped."}' end::jsonb);
end $$;

-- Compiles the capture of tables anew that a change of the schema may concern, and ends that of tables that are gone. `changed` are the
-- oids of tables and schemas; null is every table.
create or replace function daybook.follow_changes(changed oid[] default null) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  tracked record;
begin
  for tracked in
    select t.id, t.relation, c.oid is null as gone, t.link_kind is not null as linked, daybook.options_of(t) as options
    from daybook.tracked_table t left join pg_class c on c.oid = t.relation
    where changed is null or t.relation = any (changed) or c.relnamespace = any (changed)
  loop
    if tracked.gone then
      perform daybook.drop_capture(tracked.id);
    else
      perform daybook.compile_capture(tracked.id);
      if tracked.linked and exists (select from daybook.tracked_table t where t.id = tracked.id and t.link_kind is null) then
        raise warning 'The links of % are recorded as plain rows from now on: their columns lead to no tracked table any more.', tracked.relation;
      end if;
      perform daybook.record_options(tracked.id, tracked.options);
    end if;
  end loop;
end $$;

-- Compiles the capture of tables anew whose entries would come in another order than their changes, now that a trigger or a foreign key was
-- made.
create or replace function daybook.follow_order() returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform daybook.compile_capture(t.id) from daybook.tracked_table t where not t.by_row and daybook.needs_order(t.relation);
end $$;
