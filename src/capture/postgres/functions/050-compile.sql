-- The label of one object of a tracked table, or null where it is not there or can't be read: a label never makes a write fail.
create or replace function daybook.label_of(tracked_id int, key text) returns text
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
    where t.id = label_of.tracked_id and t.label_columns <> '{}')
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
  created text;
  deleted text;
  changed text;
  all_fields text;
  changed_fields text;
  previous_key text;
  flag_changed text;
  flag_given text;
  added text;
  removed text;
  moved text;
  inserts daybook.capture_statement[];
  deletes daybook.capture_statement[];
  updates daybook.capture_statement[];
  body text;
  col record;
  field text;
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

  -- Old and new rows are paired by position: it holds for updates of the key, upsert, MERGE and parallel plans. Never pair them by key.
  pairs := format('(select row_number() over () as %1$I, * from old_rows) o join (select row_number() over () as %1$I, * from new_rows) n on n.%1$I = o.%1$I', position_name);
  created := daybook.concat_sql(new_changes || quote_literal(']}'), '');
  deleted := daybook.concat_sql(old_changes || quote_literal(',null]}'), '');
  changed := '''{'' || ' || daybook.concat_sql(differences, ',') || ' || ''}''';
  all_fields := quote_literal(recorded_names) || '::text[]';
  changed_fields := format('array_remove(array[%s], null)', array_to_string(changed_names, ', '));
  previous_key := format('nullif(%s, %s)', old_key, new_key);

  if tracked.link_kind is null then
    inserts := array[daybook.capture_sql(tracked, 'create', 'new_rows n', 'new_rows n', new_key, 'null', new_label, created, all_fields)];
    deletes := array[daybook.capture_sql(tracked, 'delete', 'old_rows o', 'old_rows o', old_key, 'null', old_label, deleted, all_fields)];
    if tracked.permission_columns = '{}' then
      updates := array[daybook.capture_sql(tracked, 'update', 'old_rows o, new_rows n', pairs, new_key, previous_key, new_label, changed, changed_fields)];
    else
      -- A flag that was given or taken makes the change a change of permissions.
      select string_agg(format('(%s)', daybook.changed_sql(c.type, c.collation_id, format('n.%I', c.name), format('o.%I', c.name))), ' or '),
        string_agg(format('(%s and concat(n.%I) not in ('''', ''f'', ''0''))', daybook.changed_sql(c.type, c.collation_id, format('n.%I', c.name), format('o.%I', c.name)), c.name), ' or ')
        into flag_changed, flag_given
        from daybook.tracked_columns(tracked) c where c.name = any (tracked.permission_columns);
      updates := array[daybook.capture_sql(tracked, 'update', 'old_rows o, new_rows n', pairs, new_key, previous_key, new_label, changed, changed_fields,
          format('(%s) is not true', flag_changed)),
        daybook.capture_sql(tracked, 'permission_granted', 'old_rows o, new_rows n', pairs, new_key, previous_key, new_label, changed, changed_fields,
          flag_given),
        daybook.capture_sql(tracked, 'permission_revoked', 'old_rows o, new_rows n', pairs, new_key, previous_key, new_label, changed, changed_fields,
          format('(%s) and (%s) is not true', flag_changed, flag_given))];
    end if;
  else
    added := case tracked.link_kind when 'permission' then 'permission_granted' else 'linked' end;
    removed := case tracked.link_kind when 'permission' then 'permission_revoked' else 'unlinked' end;
    moved := format('(o.%1$I, o.%2$I) is distinct from (n.%1$I, n.%2$I)', tracked.link_from, tracked.link_to);
    inserts := array[daybook.capture_link_sql(tracked, added, 'n', 'new_rows n', 'new_rows n', created, all_fields)];
    deletes := array[daybook.capture_link_sql(tracked, removed, 'o', 'old_rows o', 'old_rows o', deleted, all_fields)];
    -- An update that leads a link elsewhere takes one away and gives another.
    updates := array[daybook.capture_link_sql(tracked, removed, 'o', 'old_rows o, new_rows n', pairs, deleted, all_fields, moved),
        daybook.capture_link_sql(tracked, added, 'n', 'old_rows o, new_rows n', pairs, created, all_fields, moved),
        daybook.capture_sql(tracked, 'update', 'old_rows o, new_rows n', pairs, new_key, previous_key, new_label, changed, changed_fields,
        format('(%s) is not true', moved))];
  end if;

  -- One row has a way of its own: most statements change one, and the plan that is cached for it is never used for more. For many, the
  -- planner must not nest loops over the transition tables: a plan that was cached for two rows would be used for a million.
  body := format($body$
declare
  origin record;
  moment timestamptz;
  first_id bigint;
  rows int;
  nested_loops text := current_setting('enable_nestloop');
  compiled_plans text := current_setting('jit');
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
  if rows = 1 then
    if tg_op = 'INSERT' then%2$s
    elsif tg_op = 'DELETE' then%3$s
    else%4$s
    end if;
    return null;
  end if;
  perform set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true);
  if tg_op = 'INSERT' then%5$s
  elsif tg_op = 'DELETE' then%6$s
  else%7$s
  end if;
  perform set_config('enable_nestloop', nested_loops, true), set_config('jit', compiled_plans, true);
  return null;
end $body$,
    tracked_id,
    (select string_agg(one_row, '') from unnest(inserts)), (select string_agg(one_row, '') from unnest(deletes)), (select string_agg(one_row, '') from unnest(updates)),
    (select string_agg(many_rows, '') from unnest(inserts)), (select string_agg(many_rows, '') from unnest(deletes)), (select string_agg(many_rows, '') from unnest(updates)));

  execute format('create or replace function daybook.%I() returns trigger language plpgsql security definer %s as %L',
    'capture_' || tracked_id, daybook.settings_sql(tracked), body);
  execute format('revoke all on function daybook.%I() from public', 'capture_' || tracked_id);
  execute format('comment on function daybook.%I() is %L', 'capture_' || tracked_id,
    'Capture of ' || tracked.relation::text || '. Written by daybook.compile_capture(): do not change it by hand.');
end $$;

-- The INSERTs of the entries of one kind of change: of one row, and of many, whose first entry carries what they share. `condition` picks
-- the rows of the source; where `changes` is null there is no entry.
create or replace function daybook.capture_sql(tracked daybook.tracked_table, action text, one_row_source text, many_rows_source text,
  key text, previous_key text, label text, changes text, changed_fields text, condition text default null, model text default null,
  related_model text default null, related text default 'null::text, null::text', out statement daybook.capture_statement)
language plpgsql stable
as $$
declare
  columns text := 'id, recorded_at, statement_id, action, actor_type, actor_id, ip_address, tenant_id, model, object_id, previous_object_id,
      object_label, related_model, related_id, related_label, changes, changed_fields,
      transaction_id, table_name, actor_label, request_id, database_user, context';
  own text := format('%L, origin.actor_type, origin.actor_id, origin.ip_address, origin.tenant_id, %L, r.object_id, r.previous_object_id,
      r.object_label, %L::text, r.related_id, r.related_label, r.changes', action, coalesce(model, tracked.model), related_model);
  same_fields boolean := changed_fields like '%::text[]';   -- of all rows: kept once
  rows text;
begin
  -- OFFSET 0 keeps the difference from being worked out twice, to filter and to store it.
  rows := format('select %s, %s::text, %s, %s, %s, %s from %%s%s%s', key, previous_key, label, related, changes,
    case when same_fields then 'null::text[]' else changed_fields end, ' where ' || condition, case when not same_fields then ' offset 0' end);
  statement.one_row := format($one$
      first_id := nextval('daybook.entry_id');
      insert into daybook.entry (%1$s)
      select first_id, moment, null, %2$s, %3$s,
        pg_current_xact_id(), %4$L, origin.actor_label, origin.request_id, origin.database_user, origin.context
      from (%5$s) as r (object_id, previous_object_id, object_label, related_id, related_label, changes, changed_fields)
      where r.changes is not null;$one$,
    columns, own, case when same_fields then changed_fields else 'r.changed_fields' end, tracked.relation::text, replace(rows, '%s', one_row_source));
  statement.many_rows := format($many$
    first_id := nextval('daybook.entry_id');
    insert into daybook.entry (%1$s)
    select case when r.place = 1 then first_id else nextval('daybook.entry_id') end, moment, case when r.place > 1 then first_id end, %2$s, %3$s,
      case when r.place = 1 then pg_current_xact_id() end, case when r.place = 1 then %4$L end, case when r.place = 1 then origin.actor_label end,
      case when r.place = 1 then origin.request_id end, case when r.place = 1 then origin.database_user end, case when r.place = 1 then origin.context end
    from (
      select row_number() over () as place, r.*
      from (%5$s) as r (object_id, previous_object_id, object_label, related_id, related_label, changes, changed_fields)
      where r.changes is not null
    ) r;$many$,
    columns, own, case when same_fields then format('case when r.place = 1 then %s end', changed_fields) else 'r.changed_fields' end,
    tracked.relation::text, replace(rows, '%s', many_rows_source));
end $$;

-- The same for a link between two objects: the entry is the one object's, and names the other.
create or replace function daybook.capture_link_sql(tracked daybook.tracked_table, action text, side text, one_row_source text,
  many_rows_source text, changes text, changed_fields text, condition text default null, out statement daybook.capture_statement)
language plpgsql stable
as $$
declare
  from_table daybook.tracked_table := daybook.referenced_table(tracked.relation, tracked.link_from);
  to_table daybook.tracked_table := daybook.referenced_table(tracked.relation, tracked.link_to);
  from_key text := format('concat(%s.%I)', side, tracked.link_from);
  to_key text := format('concat(%s.%I)', side, tracked.link_to);
begin
  statement := daybook.capture_sql(tracked, action, one_row_source, many_rows_source, from_key, 'null',
    format('daybook.label_of(%s, %s)', from_table.id, from_key), changes, changed_fields, condition,
    from_table.model, to_table.model, format('%s, daybook.label_of(%s, %1$s)', to_key, to_table.id));
end $$;

-- The settings that a capture function pins, so that the same value gives the same text whatever the session's are. Each costs every
-- statement a little: only those that the table's types ask for.
create or replace function daybook.settings_sql(tracked daybook.tracked_table) returns text
language sql stable
as $$
  with types as (
    select case when daybook.base_type(c.type) < 10000 then daybook.base_type(c.type)::regtype::text else '' end as name,
      c.is_key or c.name = any (tracked.label_columns) as as_text
    from daybook.tracked_columns(tracked) c where c.recorded
  ), pinned as (
    select bool_or(name not in ('boolean', 'smallint', 'integer', 'bigint', 'uuid', 'text', 'character varying', 'character', 'numeric', 'json', 'jsonb',
        'real', 'double precision', 'date', 'timestamp without time zone', 'timestamp with time zone', 'time without time zone', 'time with time zone'))
        or bool_or(as_text and name ~ 'date|time') as others,
      bool_or(name ~ 'with time zone') as zoned, bool_or(name in ('real', 'double precision')) as floating
    from types
  )
  select concat_ws(' ', 'set search_path = pg_catalog, pg_temp',
    case when others or zoned then 'set "TimeZone" = ''UTC''' end,
    case when others or floating then 'set extra_float_digits = 1' end,
    case when others then 'set "DateStyle" = ''ISO, YMD'' set "IntervalStyle" = ''iso_8601'' set bytea_output = ''hex'' set lc_monetary = ''C''' end)
  from pinned
$$;

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
      message = format('%s.%I can''t name an object of a link: it is not a foreign key to a tracked table.', relation, column_name),
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
