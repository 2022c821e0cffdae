-- The labels of objects of a tracked table, by their keys. Without those that are not there, and without any where they can't be read:
-- a label never makes a write fail. Policies are the table owner's code, which must not run as the log's owner.
create or replace function daybook.labels_of(tracked_id int, keys text[]) returns table (key text, label text)
language plpgsql stable
as $$
declare
  lookup text;
begin
  select format('select concat(t.%1$I), left(nullif(concat_ws('' '', %2$s), ''''), 256) from %3$s t where t.%1$I = any ($1::%4$s[])', a.attname,
      (select string_agg(daybook.label_sql(l.atttypid, format('t.%I', l.attname)), ', ' order by array_position(tracked.label_columns, l.attname::text))
        from pg_attribute l where l.attrelid = tracked.relation and l.attname = any (tracked.label_columns) and not l.attisdropped),
      tracked.relation, format_type((daybook.base_type(a.atttypid)).id, -1))
    into lookup
    from daybook.tracked_table tracked
    join pg_class c on c.oid = tracked.relation and not c.relrowsecurity
    join pg_index i on i.indrelid = tracked.relation and i.indisprimary and i.indnkeyatts = 1
    join pg_attribute a on a.attrelid = tracked.relation and a.attnum = i.indkey[0]
    where tracked.id = tracked_id and tracked.label_columns <> '{}';
  if lookup is not null then
    return query execute lookup using keys;
  end if;
exception when others then
  return;
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
  out name text, out type oid, out collation_id oid, out key_position int, out recorded boolean, out masked boolean)
returns setof record
language sql stable
as $$
  select a.attname, a.atttypid, a.attcollation, k.place,
    k.place is not null or (not (a.attname = any (tracked.exclude_columns)) and coalesce(a.attname = any (tracked.include_columns), true)),
    a.attname = any (tracked.mask_columns) or (daybook.looks_secret(a.attname) and not (a.attname = any (tracked.unmask_columns)))
  from pg_attribute a
  left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
  cross join lateral (select array_position((i.indkey::int2[])[0 : i.indnkeyatts - 1], a.attnum) as place) k
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

-- What the capture of a table is compiled for. Where it is another now, the compiled function is out of step.
create or replace function daybook.shape_of(relation regclass) returns text
language sql stable
as $$
  select concat_ws(' key ',
    (select string_agg(concat_ws(' ', a.attnum, quote_ident(a.attname), a.atttypid, a.atttypmod, a.attcollation), ', ' order by a.attnum)
      from pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped),
    (select i.indkey::text from pg_index i where i.indrelid = relation and i.indisprimary))
$$;

-- Takes what was said of a table's columns along to the names that they have now, and forgets what is gone. What was masked stays masked.
create or replace function daybook.follow_columns(tracked_id int) returns daybook.tracked_table
language plpgsql
as $$
declare
  tracked daybook.tracked_table;
  renamed jsonb;   -- name before -> name now
begin
  -- Whoever else compiles this table waits here.
  select t.* into tracked from daybook.tracked_table t where t.id = tracked_id for update;
  if tracked.id is null then
    raise exception using errcode = 'YD004', message = format('No tracked table has the number %s.', tracked_id);
  end if;
  select coalesce(jsonb_object_agg(k.value, a.attname) filter (where a.attname::text <> k.value), '{}') into renamed
    from jsonb_each_text(tracked.known_columns) k
    join pg_attribute a on a.attrelid = tracked.relation and a.attnum = k.key::int2 and not a.attisdropped;
  tracked.known_columns := (select coalesce(jsonb_object_agg(a.attnum, a.attname), '{}') from pg_attribute a
    where a.attrelid = tracked.relation and a.attnum > 0 and not a.attisdropped);

  tracked.exclude_columns := tracked.exclude_columns || array(select value from jsonb_each_text(renamed) where key = any (tracked.exclude_columns));
  tracked.mask_columns := tracked.mask_columns || array(select value from jsonb_each_text(renamed)
    where key = any (tracked.mask_columns) or (daybook.looks_secret(key) and not key = any (tracked.unmask_columns)));
  tracked.unmask_columns := daybook.renamed_columns(tracked.unmask_columns, renamed);
  tracked.include_columns := daybook.renamed_columns(tracked.include_columns, renamed);
  tracked.label_columns := array(select l.name from unnest(daybook.renamed_columns(tracked.label_columns, renamed)) with ordinality as l (name, place)
    join daybook.tracked_columns(tracked) c on c.name = l.name and not c.masked order by l.place);
  tracked.permission_columns := array(select p.name from unnest(daybook.renamed_columns(tracked.permission_columns, renamed)) with ordinality as p (name, place)
    join daybook.tracked_columns(tracked) c on c.name = p.name and c.recorded order by p.place);
  tracked.link_from := coalesce(renamed ->> tracked.link_from, tracked.link_from);
  tracked.link_to := coalesce(renamed ->> tracked.link_to, tracked.link_to);
  if tracked.link_kind is not null and 2 <> (select count(*) from daybook.tracked_columns(tracked) c where c.name in (tracked.link_from, tracked.link_to)) then
    tracked.link_kind := null;
    tracked.link_from := null;
    tracked.link_to := null;
  end if;

  update daybook.tracked_table t set known_columns = tracked.known_columns, known_shape = daybook.shape_of(tracked.relation), label_columns = tracked.label_columns,
    include_columns = tracked.include_columns, exclude_columns = tracked.exclude_columns, mask_columns = tracked.mask_columns,
    unmask_columns = tracked.unmask_columns, permission_columns = tracked.permission_columns, link_kind = tracked.link_kind,
    link_from = tracked.link_from, link_to = tracked.link_to
  where t.id = tracked_id;
  return tracked;
end $$;

create or replace function daybook.renamed_columns(names text[], renamed jsonb) returns text[]
language sql immutable
as $$
  select case when names is not null then
    array(select coalesce(renamed ->> n.name, n.name) from unnest(names) with ordinality as n (name, place) order by n.place) end
$$;

-- Writes the capture function of one tracked table anew, for the columns that it has now. It takes no lock on the table.
create or replace function daybook.compile_capture(tracked_id int) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
declare
  tracked daybook.tracked_table := daybook.follow_columns(tracked_id);
  position_name text := 'daybook_position';
  recorded_names text[] := array(select c.name from daybook.tracked_columns(tracked) c where c.recorded);
  -- What one value may take, so that two of each column, with every byte escaped, still fit into one text of PostgreSQL.
  max_bytes int := least(1048576, 80000000 / greatest(cardinality(recorded_names), 1));
  new_changes text[] := '{}';
  old_changes text[] := '{}';
  differences text[] := '{}';
  changed_names text[] := '{}';
  new_key text := daybook.object_key_sql(tracked, 'n');
  old_key text := daybook.object_key_sql(tracked, 'o');
  new_label text := daybook.object_label_sql(tracked, 'n');
  old_label text := daybook.object_label_sql(tracked, 'o');
  previous_key text := format('nullif(%s, %s)', old_key, new_key);
  created text := quote_literal('{}');
  deleted text := quote_literal('{}');
  changed text := 'null::text';
  all_fields text := quote_literal(recorded_names) || '::text[]';
  changed_fields text := 'null';
  flag_changed text;
  flag_given text;
  added text := case tracked.link_kind when 'permission' then 'permission_granted' else 'linked' end;
  removed text := case tracked.link_kind when 'permission' then 'permission_revoked' else 'unlinked' end;
  moved text;
  pairs text;
  inserts text;
  deletes text;
  updates text;
  ways text[];   -- of one row, and of many
  body text;
  many boolean;
  col record;
begin
  while exists (select from pg_attribute a where a.attrelid = tracked.relation and a.attname = position_name) loop
    position_name := 'daybook_position_' || (random() * 1000000)::int;
  end loop;
  for col in select * from daybook.tracked_columns(tracked) c where c.recorded loop
    declare
      new_ref text := format('n.%I', col.name);
      old_ref text := format('o.%I', col.name);
      masked_sql text := 'case when num_nulls(%s) = 0 then ''{"$daybook":"masked"}'' end';
      new_value text := case when col.masked then format(masked_sql, new_ref) else daybook.value_sql(col.type, new_ref, max_bytes) end;
      old_value text := case when col.masked then format(masked_sql, old_ref) else daybook.value_sql(col.type, old_ref, max_bytes) end;
      differs text := daybook.changed_sql(col.type, col.collation_id, old_ref, new_ref);
      field text := to_json(col.name)::text || ':[';
    begin
      new_changes := new_changes || format('%L, coalesce(%s, ''null'')', case when new_changes = '{}' then '{' else '],' end || field || 'null,', new_value);
      old_changes := old_changes || format('%L, coalesce(%s, ''null'')', case when old_changes = '{}' then '{' else ',null],' end || field, old_value);
      differences := differences || format('case when %s then concat(%L, coalesce(%s, ''null''), '','', coalesce(%s, ''null''), '']'') end',
        differs, field, old_value, new_value);
      changed_names := changed_names || format('case when %s then %L end', differs, col.name);
    end;
  end loop;
  if recorded_names <> '{}' then
    created := daybook.concat_sql(new_changes || quote_literal(']}'), '');
    deleted := daybook.concat_sql(old_changes || quote_literal(',null]}'), '');
    changed := '''{'' || ' || daybook.concat_sql(differences, ',') || ' || ''}''';
    changed_fields := format('array_remove(array[%s], null)', array_to_string(changed_names, ', '));
  end if;
  -- A flag that was given or taken makes an update a change of permissions.
  select string_agg(format('(%s)', c.differs), ' or '), string_agg(format('(%s and concat(n.%I) not in ('''', ''f'', ''0''))', c.differs, c.name), ' or ')
    into flag_changed, flag_given
    from (select p.name, daybook.changed_sql(p.type, p.collation_id, format('o.%I', p.name), format('n.%I', p.name)) as differs
      from daybook.tracked_columns(tracked) p where p.name = any (tracked.permission_columns)) c;
  select string_agg(format('(%s)', daybook.changed_sql(c.type, c.collation_id, format('o.%I', c.name), format('n.%I', c.name))), ' or ')
    into moved from daybook.tracked_columns(tracked) c where c.name in (tracked.link_from, tracked.link_to);

  -- One row has a way of its own: most statements change one, and the plan that is cached for it is never used for more. For many, the
  -- planner must not nest loops over the transition tables: a plan that was cached for two rows would be used for a million.
  foreach many in array array[false, true] loop
    -- Old and new rows are paired by position: it holds for updates of the key, upsert, MERGE and parallel plans. Never pair them by key.
    pairs := case when many then
      format('(select row_number() over () as %1$I, * from old_rows) o join (select row_number() over () as %1$I, * from new_rows) n on n.%1$I = o.%1$I',
        position_name) else 'old_rows o cross join new_rows n' end;
    if tracked.link_kind is not null then
      inserts := daybook.capture_link_sql(tracked, many, added, 'n', 'new_rows n', null, created, all_fields);
      deletes := daybook.capture_link_sql(tracked, many, removed, 'o', 'old_rows o', null, deleted, all_fields);
      -- An update that leads a link elsewhere takes one away and gives another.
      updates := daybook.capture_link_sql(tracked, many, removed, 'o', pairs, moved, deleted, all_fields)
        || daybook.capture_link_sql(tracked, many, added, 'n', pairs, moved, created, all_fields)
        || daybook.capture_sql(tracked, many, 'update', pairs, format('(%s) is not true', moved), new_key, previous_key, new_label, changed, changed_fields);
    else
      inserts := daybook.capture_sql(tracked, many, 'create', 'new_rows n', null, new_key, 'null', new_label, created, all_fields);
      deletes := daybook.capture_sql(tracked, many, 'delete', 'old_rows o', null, old_key, 'null', old_label, deleted, all_fields);
      updates := daybook.capture_sql(tracked, many, 'update', pairs, '(' || flag_changed || ') is not true', new_key, previous_key, new_label, changed, changed_fields);
      if flag_changed is not null then
        updates := updates
          || daybook.capture_sql(tracked, many, 'permission_granted', pairs, flag_given, new_key, previous_key, new_label, changed, changed_fields)
          || daybook.capture_sql(tracked, many, 'permission_revoked', pairs, format('(%s) and (%s) is not true', flag_changed, flag_given),
            new_key, previous_key, new_label, changed, changed_fields);
      end if;
    end if;
    ways := ways || format($way$
  if tg_op = 'INSERT' then%s
  elsif tg_op = 'DELETE' then%s
  else%s
  end if;$way$, inserts, deletes, updates);
  end loop;

  body := format($body$
declare
  origin record;
  moment timestamptz;
  first_id bigint;
  rows int;
  nested_loops text;
  compiled_plans text;
begin
  if tg_op = 'INSERT' then
    rows := (select count(*) from (select from new_rows limit 2) r);
  elsif tg_op = 'TRUNCATE' then
    perform daybook.capture_truncate(%s, tg_relid);
    return null;
  else
    rows := (select count(*) from (select from old_rows limit 2) r);
  end if;
  if rows = 0 then
    return null;
  end if;
  moment := clock_timestamp();
  origin := daybook.read_origin();
  if rows = 1 then%s
    return null;
  end if;
  nested_loops := current_setting('enable_nestloop');
  compiled_plans := current_setting('jit');
  perform set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true);%s
  perform set_config('enable_nestloop', nested_loops, true), set_config('jit', compiled_plans, true);
  return null;
end $body$, tracked_id, ways[1], ways[2]);

  execute format('create or replace function daybook.%I() returns trigger language plpgsql security definer %s as %L',
    'capture_' || tracked_id, daybook.settings_sql(tracked), body);
  perform daybook.revoke_others('function', format('daybook.%I()', 'capture_' || tracked_id), coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner)
    from pg_proc p where p.oid = format('daybook.%I()', 'capture_' || tracked_id)::regprocedure;
  execute format('comment on function daybook.%I() is %L', 'capture_' || tracked_id,
    'Capture of ' || tracked.relation::text || '. Written by daybook.compile_capture(): do not change it by hand.');
end $$;

-- SQL that gives an object's key: the column's text, or a JSON array of them; null without a key, and where it is masked.
create or replace function daybook.object_key_sql(tracked daybook.tracked_table, side text) returns text
language sql stable
as $$
  select case
    when count(*) = 0 or bool_or(c.masked) then 'null::text'
    when count(*) = 1 then min(daybook.key_sql(c.type, format('%s.%I', side, c.name)))
    else format(case when bool_and((daybook.base_type(c.type)).fixed_length) then '%s' else 'daybook.cap_key(%s)' end,
      format('json_build_array(%s)::text', string_agg(format('concat(%s.%I)', side, c.name), ', ' order by c.key_position)))
  end
  from daybook.tracked_columns(tracked) c where c.key_position is not null
$$;

create or replace function daybook.object_label_sql(tracked daybook.tracked_table, side text) returns text
language sql stable
as $$
  select coalesce('left(nullif(concat_ws('' '', '
      || string_agg(daybook.label_sql(c.type, format('%s.%I', side, c.name)), ', ' order by l.place) || '), ''''), 256)', 'null::text')
  from unnest(tracked.label_columns) with ordinality as l (name, place) join daybook.tracked_columns(tracked) c on c.name = l.name
$$;

-- The INSERT of the entries of one kind of change, of one row or of many, whose first entry carries what they share. `condition` picks
-- rows of the source; where `changes` is null there is no entry.
create or replace function daybook.capture_sql(tracked daybook.tracked_table, many boolean, action text, source text, condition text,
  key text, previous_key text, label text, changes text, changed_fields text,
  model text default null, related_model text default null, related text default 'null::text, null::text') returns text
language plpgsql stable
as $$
declare
  same_fields boolean := changed_fields like '%::text[]';   -- of all rows: kept once
  shared text[] := array['pg_current_xact_id()', quote_literal(tracked.relation), 'origin.actor_label', 'origin.request_id', 'origin.database_user',
    'origin.context'];
  own_fields text := case when same_fields then changed_fields else 'r.changed_fields' end;
  rows text;
begin
  rows := format('select %s, %s::text, %s, %s, %s, %s::text[] from %s', key, previous_key, label, related, changes,
    case when same_fields then 'null' else changed_fields end, source);
  if condition is not null then
    rows := rows || ' where ' || condition;
  end if;
  if not same_fields then
    -- It keeps the difference from being worked out twice, to filter and to store it.
    rows := rows || ' offset 0';
  end if;
  rows := format('(%s) as r (object_id, previous_object_id, object_label, related_id, related_label, changes, changed_fields) where r.changes is not null', rows);
  if many then
    rows := format('(select row_number() over () as place, r.* from %s) as r', rows);
    shared := array(select format('case when r.place = 1 then %s end', s) from unnest(shared) with ordinality as u (s, place) order by place);
    if same_fields then
      own_fields := format('case when r.place = 1 then %s end', own_fields);
    end if;
  end if;
  return format($insert$
    first_id := nextval('daybook.entry_id');
    insert into daybook.entry (id, recorded_at, statement_id, action, actor_type, actor_id, ip_address, tenant_id, model,
      object_id, previous_object_id, object_label, related_model, related_id, related_label, changes, changed_fields,
      transaction_id, table_name, actor_label, request_id, database_user, context)
    select %s, moment, %s, %L, origin.actor_type, origin.actor_id, origin.ip_address, origin.tenant_id, %L,
      r.object_id, r.previous_object_id, r.object_label, %L::text, r.related_id, r.related_label, r.changes, %s, %s
    from %s;$insert$,
    case when many then 'case when r.place = 1 then first_id else nextval(''daybook.entry_id'') end' else 'first_id' end,
    case when many then 'case when r.place > 1 then first_id end' else 'null' end,
    action, coalesce(model, tracked.model), related_model, own_fields, array_to_string(shared, ', '), rows);
end $$;

-- The same for a link between two objects: the entry is the one object's, and names the other. The labels of many are looked up at once.
create or replace function daybook.capture_link_sql(tracked daybook.tracked_table, many boolean, action text, side text, source text,
  condition text, changes text, changed_fields text) returns text
language plpgsql stable
as $$
declare
  from_table daybook.tracked_table := daybook.referenced_table(tracked.relation, tracked.link_from);
  to_table daybook.tracked_table := daybook.referenced_table(tracked.relation, tracked.link_to);
  from_key text := daybook.link_key_sql(tracked, tracked.link_from, side);
  to_key text := daybook.link_key_sql(tracked, tracked.link_to, side);
  from_label text := 'from_label.label';
  to_label text := 'to_label.label';
  side_rows text := case side when 'n' then 'new_rows n' else 'old_rows o' end;
begin
  if many then
    source := format('%1$s left join daybook.labels_of(%2$s, array(select distinct %3$s from %4$s)) from_label on from_label.key = %3$s
      left join daybook.labels_of(%5$s, array(select distinct %6$s from %4$s)) to_label on to_label.key = %6$s',
      source, from_table.id, from_key, side_rows, to_table.id, to_key);
  else
    from_label := format('(select label from daybook.labels_of(%s, array[%s]))', from_table.id, from_key);
    to_label := format('(select label from daybook.labels_of(%s, array[%s]))', to_table.id, to_key);
  end if;
  return daybook.capture_sql(tracked, many, action, source, condition, from_key, 'null', from_label, changes, changed_fields,
    from_table.model, to_table.model, format('%s, %s', to_key, to_label));
end $$;

create or replace function daybook.link_key_sql(tracked daybook.tracked_table, column_name text, side text) returns text
language sql stable
as $$
  select format('case when num_nulls(%s.%I) = 0 then %s end', side, c.name, daybook.key_sql(c.type, format('%s.%I', side, c.name)))
  from daybook.tracked_columns(tracked) c where c.name = column_name
$$;

-- The settings that a capture function pins, so that the same value gives the same text whatever the session's are. Each costs every
-- statement a little: only those that the table's types ask for.
create or replace function daybook.settings_sql(tracked daybook.tracked_table) returns text
language sql stable
as $$
  with types as (
    select coalesce((daybook.base_type(c.type)).built_in, '') as name,
      c.key_position is not null or c.name = any (tracked.label_columns || array[tracked.link_from, tracked.link_to]) as as_text
    from daybook.tracked_columns(tracked) c where c.recorded or c.name = any (tracked.label_columns)
  ), pinned as (
    select bool_or(name not in ('bool', 'int2', 'int4', 'int8', 'uuid', 'text', 'varchar', 'bpchar', 'numeric', 'json', 'jsonb',
        'float4', 'float8', 'date', 'timestamp', 'timestamptz', 'time', 'timetz'))
        or bool_or(as_text and name in ('date', 'timestamp', 'timestamptz')) as others,
      bool_or(name = 'timestamptz') as zoned, bool_or(name in ('float4', 'float8')) as floating
    from types
  )
  select concat_ws(' ', 'set search_path = pg_catalog, pg_temp',
    case when others or zoned then 'set "TimeZone" = ''UTC''' end,
    case when others or floating then 'set extra_float_digits = 1' end,
    case when others then 'set "DateStyle" = ''ISO, YMD'' set "IntervalStyle" = ''iso_8601'' set bytea_output = ''hex'' set lc_monetary = ''C''
      set quote_all_identifiers = off' end)
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
-- large, the planner's estimate stands in, and the entry says so. A partitioned table leaves it to its partitions, which are
-- truncated with it.
create or replace function daybook.capture_truncate(tracked_id int, truncated regclass) returns void
language plpgsql
as $$
declare
  tracked daybook.tracked_table := (select t from daybook.tracked_table t where t.id = tracked_id);
  class pg_class := (select c from pg_class c where c.oid = truncated);
  origin record;
  counted bigint;
begin
  if tracked.truncate_policy = 'refuse' then
    raise exception using errcode = 'YD006', message = format('TRUNCATE of %s is refused: its changes are audited row by row.', truncated),
      hint = 'Use DELETE, or track the table with the truncate policy "record".';
  elsif class.relkind = 'p' and exists (select from pg_inherits where inhparent = truncated) then
    return;
  end if;
  begin
    if pg_relation_size(truncated) <= 268435456 and not class.relrowsecurity then
      execute format('select count(*) from %s', truncated) into counted;
    end if;
  exception when others then
    counted := null;
  end;
  origin := daybook.read_origin();
  insert into daybook.entry (id, recorded_at, action, actor_type, actor_id, ip_address, tenant_id, model, transaction_id, table_name,
    actor_label, request_id, database_user, context)
  values (nextval('daybook.entry_id'), clock_timestamp(), 'truncate', origin.actor_type, origin.actor_id, origin.ip_address, origin.tenant_id,
    tracked.model, pg_current_xact_id(), truncated::text, origin.actor_label, origin.request_id, origin.database_user,
    (coalesce(origin.context::jsonb, '{}')
      || jsonb_build_object('rows', coalesce(counted, greatest(class.reltuples, 0)::bigint))
      || case when counted is null then '{"rows_estimated": true}' else '{}' end::jsonb)::text);
end $$;
