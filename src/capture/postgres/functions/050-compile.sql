-- The label of one object of a tracked table, or null where it is not there or can't be read: a label never makes a write fail.
create or replace function daybook.label_of(relation regclass, key text) returns text
language plpgsql stable
as $$
declare
  label text;
begin
  if key is null then
    return null;
  end if;
  execute (
    select format('select left(nullif(concat_ws('' '', %s), ''''), 256) from %s where %I = $1::%s',
      (select string_agg(quote_ident(c), ', ' order by ordinality) from unnest(t.label_columns) with ordinality as l (c, ordinality)),
      t.relation, a.attname, format_type(a.atttypid, a.atttypmod))
    from daybook.tracked_table t
    join pg_index i on i.indrelid = t.relation and i.indisprimary and i.indnkeyatts = 1
    join pg_attribute a on a.attrelid = t.relation and a.attnum = i.indkey[0]
    where t.relation = label_of.relation and t.label_columns <> '{}')
    into label using key;
  return label;
exception when others then
  return null;
end $$;

-- Columns whose values no log should hold, by their names.
create or replace function daybook.looks_secret(column_name text) returns boolean
language sql immutable
as $$
  select column_name ~* '(passw|passphrase|passcode|pwd|secret|token|credential|(api|access|private|signing|encryption)[_-]?key|recovery[_-]?code|backup[_-]?code)'
    or column_name ~* '(^|[_-])(otp|totp|mfa|pin|cvv|cvc|salt)([_-]|$)'
$$;

-- The columns of a tracked table as the compiler needs them, in the table's order. Virtual generated columns hold nothing and are left out.
create or replace function daybook.tracked_columns(tracked daybook.tracked_table,
  out name text, out type oid, out collation_id oid, out is_key boolean, out recorded boolean, out masked boolean)
returns setof record
language sql stable
as $$
  select a.attname, a.atttypid, a.attcollation, k.is_key,
    k.is_key or (not (a.attname = any (tracked.exclude_columns)) and coalesce(a.attname = any (tracked.include_columns), true)),
    a.attname = any (tracked.mask_columns) or (daybook.looks_secret(a.attname) and not (a.attname = any (tracked.unmask_columns)))
  from pg_attribute a
  left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
  cross join lateral (select coalesce(a.attnum = any (i.indkey::int2[]), false) as is_key) k
  where a.attrelid = tracked.relation and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v'
  order by a.attnum
$$;

-- SQL that joins texts, in groups: a function takes a hundred arguments at most, and a part may be two of them.
create or replace function daybook.concat_sql(parts text[], separator text) returns text
language sql immutable
as $$
  select case
    when cardinality(parts) <= 45 then
      case when separator = '' then format('concat(%s)', array_to_string(parts, ', '))
      else format('nullif(concat_ws(%L, %s), '''')', separator, array_to_string(parts, ', ')) end
    else daybook.concat_sql(
      array(select daybook.concat_sql(parts[first : first + 44], separator) from generate_series(1, cardinality(parts), 45) first), separator)
  end
$$;

-- Writes the capture function of one tracked table anew, for the columns that it has now. It takes no lock on the table.
create or replace function daybook.compile_capture(tracked_id int) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  tracked daybook.tracked_table := (select t from daybook.tracked_table t where t.id = tracked_id);
  position_name text := 'daybook_position';
  new_values text[] := '{}';
  old_values text[] := '{}';
  new_changes text[] := '{}';
  old_changes text[] := '{}';
  differences text[] := '{}';
  changed_names text[] := '{}';
  recorded_names text[] := '{}';
  key_columns text[];
  new_key text := 'null::text';
  old_key text := 'null::text';
  new_label text := 'null::text';
  old_label text := 'null::text';
  pairs text;
  body text;
  col record;
  field text;
  key_changed text;
begin
  if tracked.id is null then
    raise exception using errcode = 'YD004', message = format('No tracked table has the number %s.', tracked_id);
  end if;
  for col in select * from daybook.tracked_columns(tracked) loop
    if col.name like position_name || '%' then
      position_name := col.name || '_';
    end if;
    continue when not col.recorded;
    recorded_names := recorded_names || col.name;
    field := to_json(col.name)::text || ':[';
    declare
      new_ref text := format('n.%I', col.name);
      old_ref text := format('o.%I', col.name);
      new_value text;
      old_value text;
      changed text := daybook.changed_sql(col.type, col.collation_id, new_ref, old_ref);
    begin
      if col.masked then
        new_value := format('case when num_nulls(%s) = 0 then ''{"$daybook":"masked"}'' end', new_ref);
        old_value := format('case when num_nulls(%s) = 0 then ''{"$daybook":"masked"}'' end', old_ref);
      else
        new_value := daybook.value_sql(col.type, new_ref);
        old_value := daybook.value_sql(col.type, old_ref);
      end if;
      new_changes := new_changes || format('%L, coalesce(%s, ''null'')', case when new_changes = '{}' then '{' else '],' end || field || 'null,', new_value);
      old_changes := old_changes || format('%L, coalesce(%s, ''null'')', case when old_changes = '{}' then '{' else ',null],' end || field, old_value);
      differences := differences || format('case when %s then concat(%L, coalesce(%s, ''null''), '','', coalesce(%s, ''null''), '']'') end',
        changed, field, old_value, new_value);
      changed_names := changed_names || format('case when %s then %L end', changed, col.name);
    end;
  end loop;

  key_columns := array(select a.attname from pg_index i, unnest(i.indkey::int2[]) with ordinality as k (attnum, ordinality)
    join pg_attribute a on a.attnum = k.attnum
    where i.indrelid = tracked.relation and i.indisprimary and a.attrelid = tracked.relation order by k.ordinality);
  if cardinality(key_columns) = 1 then
    new_key := format('concat(n.%I)', key_columns[1]);
    old_key := format('concat(o.%I)', key_columns[1]);
  elsif cardinality(key_columns) > 1 then
    new_key := (select format('json_build_array(%s)::text', string_agg(format('concat(n.%I)', k), ', ')) from unnest(key_columns) k);
    old_key := (select format('json_build_array(%s)::text', string_agg(format('concat(o.%I)', k), ', ')) from unnest(key_columns) k);
  end if;
  if tracked.label_columns <> '{}' then
    new_label := (select format('left(nullif(concat_ws('' '', %s), ''''), 256)', string_agg(format('n.%I', c), ', ')) from unnest(tracked.label_columns) c);
    old_label := (select format('left(nullif(concat_ws('' '', %s), ''''), 256)', string_agg(format('o.%I', c), ', ')) from unnest(tracked.label_columns) c);
  end if;
  key_changed := format('nullif(%s, %s)', old_key, new_key);

  inserted := daybook.capture_sql(tracked, case when tracked.permission_to is null then 'create' else 'permission_granted' end, 'n',
    new_key, 'null', new_label, daybook.concat_sql(new_changes || quote_literal(']}'), ''), quote_literal(recorded_names));
  deleted := daybook.capture_sql(tracked, case when tracked.permission_to is null then 'delete' else 'permission_revoked' end, 'o',
    old_key, 'null', old_label, daybook.concat_sql(old_changes || quote_literal(',null]}'), ''), quote_literal(recorded_names));
  updated := daybook.capture_sql(tracked, 'update', 'n',
    new_key, format('nullif(%s, %s)', old_key, new_key), new_label, '''{'' || ' || daybook.concat_sql(differences, ',') || ' || ''}''',
    format('array_remove(array[%s], null)', array_to_string(changed_names, ', ')));
  -- Old and new rows are paired by position: it holds for updates of the key, upsert, MERGE and parallel plans. Never pair them by key.
  pairs := format('(select row_number() over () as %1$I, * from old_rows) o join (select row_number() over () as %1$I, * from new_rows) n on n.%1$I = o.%1$I',
    position_name);

  -- One row has a way of its own: most statements change one, and the plan that is cached for it is never used for more. For many, the
  -- planner must not nest loops over the transition tables: a plan that was cached for two rows would be used for a million.
  body := format($body$
declare
  origin record;
  moment timestamptz;
  first_id bigint;
  rows int;
  nested_loops text;
  compiled text;
begin
  if tg_op = 'INSERT' then
    rows := (select count(*) from (select from new_rows limit 2) r);
  elsif tg_op = 'TRUNCATE' then
    perform daybook.capture_truncate(%1$s, tg_relid);
    return null;
  else
    rows := (select count(*) from (select from old_rows limit 2) r);
  end if;
  if rows = 0 then
    return null;
  end if;
  moment := clock_timestamp();
  origin := daybook.read_origin();
  first_id := nextval('daybook.entry_id');
  if rows = 1 then
    if tg_op = 'INSERT' then%2$s
    elsif tg_op = 'DELETE' then%3$s
    else%4$s
    end if;
    return null;
  end if;
  nested_loops := set_config('enable_nestloop', 'off', true);
  compiled := set_config('jit', 'off', true);
  if tg_op = 'INSERT' then%5$s
  elsif tg_op = 'DELETE' then%6$s
  else%7$s
  end if;
  return null;
end $body$,
    tracked_id,
    daybook.single_sql(inserted, 'new_rows n'), daybook.single_sql(deleted, 'old_rows o'), daybook.single_sql(updated, 'old_rows o, new_rows n'),
    daybook.set_sql(inserted, 'new_rows n'), daybook.set_sql(deleted, 'old_rows o'), daybook.set_sql(updated, pairs));

  execute format('create or replace function daybook.%I() returns trigger language plpgsql security definer %s as %L',
    'capture_' || tracked_id, daybook.settings_sql(tracked), body);
  execute format('revoke all on function daybook.%I() from public', 'capture_' || tracked_id);
  execute format('comment on function daybook.%I() is %L', 'capture_' || tracked_id,
    'Capture of ' || tracked.relation::text || '. Written by daybook.compile_capture(): do not change it by hand.');
end $$;

-- The INSERT of the entries of one kind of change. `source` is the rows, `side` the alias whose row names the object.
create or replace function daybook.capture_sql(tracked daybook.tracked_table, action text, source text, side text,
  key text, previous_key text, label text, changes text, changed_fields text) returns text
language plpgsql stable
as $$
declare
  model text := quote_literal(tracked.model);
  related text := 'null::text, null::text, null::text';
begin
  if action in ('permission_granted', 'permission_revoked') then
    declare
      to_table daybook.tracked_table := daybook.referenced_table(tracked.relation, tracked.permission_to);
      granted_table daybook.tracked_table := daybook.referenced_table(tracked.relation, tracked.permission_grants);
    begin
      model := quote_literal(to_table.model);
      key := format('concat(%s.%I)', side, tracked.permission_to);
      label := format('daybook.label_of(%s::oid::regclass, %s)', to_table.relation::oid, key);
      related := format('%L, concat(%s.%I), daybook.label_of(%s::oid::regclass, concat(%2$s.%3$I))',
        granted_table.model, side, tracked.permission_grants, granted_table.relation::oid);
    end;
  end if;
  return format($insert$
    insert into daybook.entry (id, recorded_at, statement_id, action, actor_type, actor_id, ip_address, tenant_id, model,
      object_id, previous_object_id, object_label, related_model, related_id, related_label, changes, changed_fields,
      transaction_id, table_name, actor_label, request_id, database_user, context)
    select case when r.place = 1 then first_id else nextval('daybook.entry_id') end, moment, case when r.place > 1 then first_id end,
      %1$L, origin.actor_type, origin.actor_id, origin.ip_address, origin.tenant_id, r.model,
      r.object_id, r.previous_object_id, r.object_label, r.related_model, r.related_id, r.related_label, r.changes, %13$s,
      case when r.place = 1 then pg_current_xact_id() end, case when r.place = 1 then %2$L end,
      case when r.place = 1 then origin.actor_label end, case when r.place = 1 then origin.request_id end,
      case when r.place = 1 then origin.database_user end, case when r.place = 1 then origin.context end
    from (
      select row_number() over () as place, c.*
      from (select %3$s as model, %4$s as object_id, %5$s as previous_object_id, %6$s as object_label, %7$s, %8$s as changes, %9$s::text[] as changed_fields
        from %10$s%11$s) as c (model, object_id, previous_object_id, object_label, related_model, related_id, related_label, changes, changed_fields)
      %12$s
    ) r;$insert$,
    action, tracked.relation::text, model, key, previous_key || '::text', label, related, changes, changed_fields, source,
    -- OFFSET 0 keeps the difference from being worked out twice, to filter and to store it.
    case when action = 'update' then ' offset 0' else '' end,
    case when action = 'update' then 'where c.changes is not null' else '' end,
    case when action = 'update' then 'r.changed_fields' else 'case when r.place = 1 then r.changed_fields end' end);
end $$;

-- The tracked table that a foreign key of one column leads to.
create or replace function daybook.referenced_table(relation regclass, column_name text) returns daybook.tracked_table
language plpgsql stable
as $$
declare
  found daybook.tracked_table;
begin
  select t.* into found
  from pg_constraint c
  join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
  join daybook.tracked_table t on t.relation = c.confrelid
  where c.conrelid = referenced_table.relation and c.contype = 'f' and cardinality(c.conkey) = 1 and a.attname = column_name;
  if found.id is null then
    raise exception using errcode = 'YD003',
      message = format('%s.%I can''t name an object of a permission: it is not a foreign key to a tracked table.', relation, column_name),
      hint = 'Track the referenced table first, with a label, or name another column.';
  end if;
  return found;
end $$;

-- TRUNCATE has no transition table: the rows are counted before they go. Where the log's owner may not read the table, or it is
-- large, the planner's estimate stands in, and the entry says so.
create or replace function daybook.capture_truncate(tracked_id int, truncated regclass) returns void
language plpgsql
as $$
declare
  tracked daybook.tracked_table := (select t from daybook.tracked_table t where t.id = tracked_id);
  origin record;
  counted bigint;
  estimate bigint := (select greatest(c.reltuples, 0)::bigint from pg_class c where c.oid = truncated);
begin
  if tracked.truncate_policy = 'refuse' then
    raise exception using errcode = 'YD006', message = format('TRUNCATE of %s is refused: its changes are audited row by row.', truncated),
      hint = 'Use DELETE, or track the table with the truncate policy "record".';
  end if;
  begin
    if estimate <= 1000000 and not (select c.relrowsecurity from pg_class c where c.oid = truncated) then
      execute format('select count(*) from %s', truncated) into counted;
    end if;
  exception when insufficient_privilege then
    counted := null;
  end;
  origin := daybook.read_origin();
  insert into daybook.entry (id, recorded_at, action, actor_type, actor_id, ip_address, tenant_id, model, transaction_id, table_name,
    actor_label, request_id, database_user, context)
  values (nextval('daybook.entry_id'), clock_timestamp(), 'truncate', origin.actor_type, origin.actor_id, origin.ip_address, origin.tenant_id,
    tracked.model, pg_current_xact_id(), truncated::text, origin.actor_label, origin.request_id, origin.database_user,
    (coalesce(origin.context::jsonb, '{}')
      || jsonb_build_object('rows', coalesce(counted, estimate)) || case when counted is null then '{"rows_estimated": true}' else '{}' end::jsonb)::text);
end $$;
