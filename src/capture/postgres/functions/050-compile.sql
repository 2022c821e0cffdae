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
    return query select l.key, l.label from daybook.look_up(lookup, keys) l;
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

-- What was said of a table's columns, for the names that they have now, without what is gone. What was masked stays masked.
create or replace function daybook.followed(tracked daybook.tracked_table) returns daybook.tracked_table
language plpgsql stable
as $$
declare
  renamed jsonb;   -- name before -> name now
  -- Columns keep their numbers in the very table that they were read of alone: restored from a dump, they are numbered anew.
  numbered_in text := concat_ws('/', (select c.system_identifier from pg_control_system() c),
    (select d.oid from pg_database d where d.datname = current_database()), tracked.relation::oid);
begin
  if tracked.known_columns ->> '0' is distinct from numbered_in then
    tracked.known_columns := '{}';
  end if;
  select coalesce(jsonb_object_agg(k.value, a.attname) filter (where a.attname::text <> k.value), '{}') into renamed
    from jsonb_each_text(tracked.known_columns) k
    join pg_attribute a on a.attrelid = tracked.relation and a.attnum = k.key::int2 and not a.attisdropped;
  tracked.known_columns := (select coalesce(jsonb_object_agg(a.attnum, a.attname), '{}') from pg_attribute a
    where a.attrelid = tracked.relation and a.attnum > 0 and not a.attisdropped) || jsonb_build_object('0', numbered_in);
  tracked.known_shape := daybook.shape_of(tracked.relation);

  tracked.exclude_columns := tracked.exclude_columns || array(select value from jsonb_each_text(renamed) where key = any (tracked.exclude_columns));
  tracked.mask_columns := tracked.mask_columns || array(select value from jsonb_each_text(renamed)
    where key = any (tracked.mask_columns) or (daybook.looks_secret(key) and not key = any (tracked.unmask_columns)))
    || array(select value || substr(m.mask, length(key) + 1) from jsonb_each_text(renamed) join unnest(tracked.mask_columns) m (mask)
      on (daybook.path_keys(m.mask))[1] = key);
  tracked.unmask_columns := daybook.renamed_columns(tracked.unmask_columns, renamed);
  tracked.include_columns := daybook.renamed_columns(tracked.include_columns, renamed);
  tracked.label_columns := array(select l.name from unnest(daybook.renamed_columns(tracked.label_columns, renamed)) with ordinality as l (name, place)
    join daybook.tracked_columns(tracked) c on c.name = l.name and not c.masked order by l.place);
  tracked.permission_columns := array(select p.name from unnest(daybook.renamed_columns(tracked.permission_columns, renamed)) with ordinality as p (name, place)
    join daybook.tracked_columns(tracked) c on c.name = p.name and c.recorded order by p.place);
  tracked.link_from := coalesce(renamed ->> tracked.link_from, tracked.link_from);
  tracked.link_to := coalesce(renamed ->> tracked.link_to, tracked.link_to);
  if tracked.link_kind is not null and 2 <> (
      select count(distinct c.name) from daybook.tracked_columns(tracked) c
      join pg_attribute a on a.attrelid = tracked.relation and a.attname = c.name
      join pg_constraint f on f.conrelid = tracked.relation and f.contype = 'f' and f.conkey = array[a.attnum]
      join daybook.tracked_table t on t.relation = f.confrelid
      where c.name in (tracked.link_from, tracked.link_to)) then
    tracked.link_kind := null;
    tracked.link_from := null;
    tracked.link_to := null;
  end if;
  return tracked;
end $$;

create or replace function daybook.renamed_columns(names text[], renamed jsonb) returns text[]
language sql immutable
as $$
  select case when names is not null then
    array(select coalesce(renamed ->> n.name, n.name) from unnest(names) with ordinality as n (name, place) order by n.place) end
$$;

-- The INSERTs that write the entries of one operation on a tracked table, `INSERT`, `UPDATE` or `DELETE`, in one of these ways:
-- `one`: nothing unless there is one row and its values are small. Most statements change one, and this is the least that they can cost.
-- `many`: whatever there is. The planner must not nest loops over the transition tables then: a plan that was cached for two rows would
-- be used for a million.
-- `dynamic`: as `many`, to be run by EXECUTE.
-- `row`: the row that a row trigger has in OLD and NEW.
-- An UPDATE of one row is usually captured before these: see one_update_sql.
create or replace function daybook.capture_statements(tracked daybook.tracked_table, operation text, way text) returns text[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
declare
  new_side text := case way when 'row' then 'new' else 'n' end;
  old_side text := case way when 'row' then 'old' else 'o' end;
  -- The row that came or went.
  side text := case operation when 'DELETE' then old_side else new_side end;
  position_name text := daybook.free_name(tracked.relation, 'daybook_position');
  max_bytes int := daybook.value_cap(tracked, way);
  key text := daybook.object_key_sql(tracked, side);
  label text := daybook.object_label_sql(tracked, side);
  previous_key text := daybook.previous_key_sql(tracked, old_side, new_side);
  row_values text := daybook.row_values_sql(tracked, side, way);
  all_fields text := quote_literal(array(select c.name from daybook.tracked_columns(tracked) c where c.recorded)) || '::text[]';
  added text := case tracked.link_kind when 'permission' then 'permission_granted' else 'linked' end;
  removed text := case tracked.link_kind when 'permission' then 'permission_revoked' else 'unlinked' end;
  source text;
  condition text := case way when 'one' then daybook.one_small_sql(tracked, operation) end;
  differences text;
  flag_changed text;
  flag_given text;
  moved text;
begin
  source := case
    when way = 'row' then null
    when operation = 'INSERT' then 'new_rows n'
    when operation = 'DELETE' then 'old_rows o'
    when way = 'one' then 'old_rows o cross join new_rows n'
    -- Old and new rows are paired by position: it holds for updates of the key, upsert, MERGE and parallel plans. Never pair them by key.
    else format('(select row_number() over () as %1$I, * from old_rows) o join (select row_number() over () as %1$I, * from new_rows) n on n.%1$I = o.%1$I',
      position_name) end;

  if operation <> 'UPDATE' then
    if tracked.link_kind is not null then
      return array[daybook.capture_link_sql(tracked, way, case operation when 'INSERT' then added else removed end, side, source, condition, row_values, all_fields)];
    end if;
    return array[daybook.capture_sql(tracked, way, case operation when 'INSERT' then 'create' else 'delete' end, source, condition,
      key, 'null', label, row_values, all_fields)];
  end if;

  differences := '''['' || ' || daybook.concat_sql(array(
    select format('case when %s then json_build_array(%L::text, %s, %s) end',
      daybook.changed_sql(c.type, c.collation_id, format('%s.%I', old_side, c.name), format('%s.%I', new_side, c.name)), c.name,
      daybook.recorded_sql(c.type, c.masked, daybook.masked_paths(tracked, c.name), format('%s.%I', old_side, c.name), max_bytes),
      daybook.recorded_sql(c.type, c.masked, daybook.masked_paths(tracked, c.name), format('%s.%I', new_side, c.name), max_bytes))
    from daybook.tracked_columns(tracked) c where c.recorded), ', ') || ' || '']''';
  -- A flag that was given or taken makes an update a change of permissions.
  select string_agg(format('(%s)', c.differs), ' or '), string_agg(format('(%s and concat(%s.%I) not in ('''', ''f'', ''0''))', c.differs, new_side, c.name), ' or ')
    into flag_changed, flag_given
    from (select p.name, daybook.changed_sql(p.type, p.collation_id, format('%s.%I', old_side, p.name), format('%s.%I', new_side, p.name)) as differs
      from daybook.tracked_columns(tracked) p where p.name = any (tracked.permission_columns)) c;
  select string_agg(format('(%s)', daybook.changed_sql(c.type, c.collation_id, format('%s.%I', old_side, c.name), format('%s.%I', new_side, c.name))), ' or ')
    into moved from daybook.tracked_columns(tracked) c where c.name in (tracked.link_from, tracked.link_to);

  if tracked.link_kind is not null then
    -- An update that leads a link elsewhere takes one away and gives another.
    return array[
      daybook.capture_link_sql(tracked, way, removed, old_side, source, concat_ws(' and ', condition, format('(%s)', moved)),
        daybook.row_values_sql(tracked, old_side, way), all_fields),
      daybook.capture_link_sql(tracked, way, added, new_side, source, concat_ws(' and ', condition, format('(%s)', moved)), row_values, all_fields),
      daybook.capture_sql(tracked, way, 'update', source, concat_ws(' and ', condition, format('(%s) is not true', moved)), key, previous_key, label,
        differences)];
  elsif flag_changed is not null then
    return array[
      daybook.capture_sql(tracked, way, 'update', source, concat_ws(' and ', condition, format('(%s) is not true', flag_changed)), key, previous_key, label,
        differences),
      daybook.capture_sql(tracked, way, 'permission_granted', source, concat_ws(' and ', condition, format('(%s)', flag_given)), key, previous_key, label,
        differences),
      daybook.capture_sql(tracked, way, 'permission_revoked', source, concat_ws(' and ', condition, format('(%s) and (%s) is not true', flag_changed, flag_given)),
        key, previous_key, label, differences)];
  end if;
  return array[daybook.capture_sql(tracked, way, 'update', source, condition, key, previous_key, label, differences)];
end $$;

-- A name that no column of a table has.
create or replace function daybook.free_name(relation regclass, name text) returns text
language plpgsql stable
as $$
declare
  free text := name;
begin
  while exists (select from pg_attribute a where a.attrelid = relation and a.attname = free) loop
    free := name || '_' || (random() * 1000000)::int;
  end loop;
  return free;
end $$;

-- What a capture function does first with an UPDATE: where it changed one row, and the values that changed are small, their entry is
-- written, and the function returns. Each column is a statement of its own: of an expression all parts are set up whether they come to be
-- needed or not, and most columns did not change. LIMIT is for sessions with plpgsql.extra_errors. Null for tables whose updates may be
-- more than an update.
create or replace function daybook.one_update_sql(tracked daybook.tracked_table) returns text
language plpgsql stable
as $$
begin
  if tracked.link_kind is not null or tracked.permission_columns <> '{}' then
    return null;
  end if;
  return (with col as (
    select c.*, format('old_row.%I', c.name) as old_ref, format('new_row.%I', c.name) as new_ref, daybook.masked_paths(tracked, c.name) as paths,
      case when not c.masked then daybook.size_kind(c.type) end as kind
    from daybook.tracked_columns(tracked) with ordinality as c (name, type, collation_id, key_position, recorded, masked, place) where c.recorded
  ), dense as (
    select least(2000, 30000 / greatest(count(*), 1)) as max_bytes from col where kind = 'dense'
  )
  select format($body$
      <<one>>
      begin
        select *, (select true from old_rows limit 1 offset 1) as %1$I into old_row from old_rows limit 1;
        exit one when old_row.%1$I;
        select * into new_row from new_rows limit 1;%2$s
        if octet_length(differences) <= 1048576 then
          insert into daybook.entry (id, recorded_at, action, actor_type, actor_id, ip_address, tenant_id, model, object_id, previous_object_id,
            object_label, changes, transaction_id, table_name, actor_label, request_id, database_user, context)
          values (nextval('daybook.entry_id'), clock_timestamp(), 'update', origin.actor_type, origin.actor_id, origin.ip_address, origin.tenant_id, %3$L,
            %4$s, %5$s,
            %6$s, concat('[', substr(differences, 3), ']'), pg_current_xact_id(), %7$L, origin.actor_label, origin.request_id, session_user, origin.context);
          return null;
        elsif differences is null then
          return null;
        end if;
      end one;$body$,
    daybook.free_name(tracked.relation, 'daybook_more'),
    string_agg(format($if$
        if %s then%s
          differences := concat(differences, ', ', json_build_array(%L::text, %s, %s));
        end if;$if$,
      daybook.changed_sql(c.type, c.collation_id, c.old_ref, c.new_ref),
      case c.kind
        when 'text' then format(E'\n          exit one when greatest(pg_column_size(%s), pg_column_size(%s)) > 4000;', c.old_ref, c.new_ref)
        when 'dense' then format(E'\n          exit one when greatest(pg_column_size(%1$s), pg_column_size(%2$s)) > %3$s or num_nonnulls(pg_column_compression(%1$s), pg_column_compression(%2$s)) > 0;',
          c.old_ref, c.new_ref, d.max_bytes) end,
      c.name, daybook.recorded_sql(c.type, c.masked, c.paths, c.old_ref, null), daybook.recorded_sql(c.type, c.masked, c.paths, c.new_ref, null)), '' order by c.place),
    tracked.model, daybook.object_key_sql(tracked, 'new_row'), daybook.previous_key_sql(tracked, 'old_row', 'new_row'),
    daybook.object_label_sql(tracked, 'new_row'), tracked.relation)
  from col c cross join dense d);
end $$;

-- SQL that gives what is recorded of a value; without a cap, of one that is known to be small.
create or replace function daybook.recorded_sql(type oid, masked boolean, paths jsonb, ref text, max_bytes int) returns text
language sql stable
as $$
  select case
    when masked then format('case when num_nulls(%s) = 0 then ''{"$daybook":"masked"}''::json end', ref)
    when paths is not null then format(case when max_bytes is null then '%s' else 'daybook.capped_json(%s, %s)' end,
      format('daybook.masked_json((%s)::text, %L)', ref, paths), max_bytes)
    when max_bytes is null then daybook.plain_sql(type, ref)
    else daybook.json_sql(type, ref, max_bytes) end
$$;

-- The same as the text of JSON, null for null.
create or replace function daybook.recorded_text_sql(tracked daybook.tracked_table, column_name text, side text, max_bytes int) returns text
language sql stable
as $$
  select format('to_json(%s)::text', daybook.recorded_sql(c.type, c.masked, daybook.masked_paths(tracked, c.name), format('%s.%I', side, c.name), max_bytes))
  from daybook.tracked_columns(tracked) c where c.name = column_name
$$;

-- What one value may take, so that two of each column, with every byte escaped, still fit into one text of PostgreSQL. Null: they are small.
create or replace function daybook.value_cap(tracked daybook.tracked_table, way text) returns int
language sql stable
as $$
  select case when way <> 'one' then least(1048576, 80000000 / greatest(count(*), 1))::int end from daybook.tracked_columns(tracked) c where c.recorded
$$;

-- SQL that gives all recorded values of a row as the text of a JSON array. Most rows are small in all their values: one look at them, and
-- they are written as they come.
create or replace function daybook.row_values_sql(tracked daybook.tracked_table, side text, way text) returns text
language plpgsql stable
as $$
declare
  max_bytes int := daybook.value_cap(tracked, way);
  capped text[];
  small text[];
  looks text;
begin
  select array_agg(daybook.recorded_sql(v.type, v.masked, v.paths, v.ref, max_bytes)),
      array_agg(daybook.recorded_sql(v.type, v.masked, v.paths, v.ref, case when v.look is null then max_bytes end)),
      concat_ws(' and ',
        '(greatest(' || string_agg(format('octet_length(%s)', v.ref), ', ') filter (where v.look = 'length') || format(') <= %s) is not false', max_bytes),
        '(greatest(' || string_agg(format('pg_column_size(%s)', v.ref), ', ') filter (where v.look = 'size') || ') <= 100) is not false')
    into capped, small, looks
    from (
      select c.type, c.masked, p.paths, format('%s.%I', side, c.name) as ref,
        case when not c.masked and p.paths is null then daybook.small_look(c.type) end as look
      from daybook.tracked_columns(tracked) c cross join lateral (select daybook.masked_paths(tracked, c.name) as paths) p
      where c.recorded) v;
  if max_bytes is null or looks = '' then
    return daybook.json_array_sql(capped);
  end if;
  return format('case when %s then %s else %s end', looks, daybook.json_array_sql(small), daybook.json_array_sql(capped));
end $$;

-- A function takes a hundred arguments at most, so that an array of many values is joined from several.
create or replace function daybook.json_array_sql(parts text[]) returns text
language sql immutable
as $$
  select case when cardinality(parts) <= 90 then format('json_build_array(%s)::text', array_to_string(parts, ', '))
    else '''['' || ' || daybook.concat_sql(array(
      select format('substr(left(json_build_array(%s)::text, -1), 2)', array_to_string(parts[first : first + 89], ', '))
      from generate_series(1, cardinality(parts), 90) first), ', ') || ' || '']''' end
$$;

-- SQL that tells whether a statement changed one row whose values are small: so small that none of them can be over the cap, and that
-- their texts together fit into one. A dense value of a few bytes can be a long text, 12 bytes a number of 131,072 digits.
create or replace function daybook.one_small_sql(tracked daybook.tracked_table, operation text) returns text
language sql stable
as $$
  with value as (
    select daybook.size_kind(c.type) as kind, format('%s.%I', side, c.name) as ref
    from daybook.tracked_columns(tracked) c
    cross join unnest(case operation when 'INSERT' then '{n}' when 'DELETE' then '{o}' else '{o,n}' end::text[]) side
    where c.recorded and not c.masked
  )
  select concat_ws(' and ',
    format('not exists (select from %s offset 1)', case operation when 'INSERT' then 'new_rows' else 'old_rows' end),
    '(greatest(' || string_agg(format('pg_column_size(%s)', ref), ', ') filter (where kind = 'text') || ') <= 4000) is not false',
    '(greatest(' || string_agg(format('pg_column_size(%s)', ref), ', ') filter (where kind = 'dense')
      || format(') <= %s) is not false', least(2000, 30000 / greatest(count(*) filter (where kind = 'dense'), 1))),
    'greatest(' || string_agg(format('pg_column_compression(%s)', ref), ', ') filter (where kind = 'dense') || ') is null')
  from value
$$;

-- Writes the capture functions of one tracked table anew, for the columns that it has now. It takes no lock on the table.
create or replace function daybook.compile_capture(tracked_id int) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
declare
  tracked daybook.tracked_table;
  one text;
  many text;
begin
  -- Whoever else compiles this table waits here.
  select t.* into tracked from daybook.tracked_table t where t.id = tracked_id for update;
  if tracked.id is null then
    raise exception using errcode = 'YD004', message = format('No tracked table has the number %s.', tracked_id);
  end if;
  tracked := daybook.followed(tracked);
  tracked.by_row := daybook.needs_order(tracked.relation);
  update daybook.tracked_table t set known_columns = tracked.known_columns, known_shape = tracked.known_shape, label_columns = tracked.label_columns,
    include_columns = tracked.include_columns, exclude_columns = tracked.exclude_columns, mask_columns = tracked.mask_columns,
    unmask_columns = tracked.unmask_columns, permission_columns = tracked.permission_columns, link_kind = tracked.link_kind,
    link_from = tracked.link_from, link_to = tracked.link_to, by_row = tracked.by_row
  where t.id = tracked_id;

  select
    string_agg(format(E'\n  elsif tg_op = %L then%s', operation, coalesce(case operation when 'UPDATE' then daybook.one_update_sql(tracked) end,
      (select string_agg(s || E'\n      captured := captured or found;', '') from unnest(daybook.capture_statements(tracked, operation, 'one')) s))), ''
      order by operation = 'UPDATE' desc, operation = 'INSERT' desc),
    string_agg(format(E'\n    when %L then%s', operation, (select string_agg(E'\n      first_id := nextval(''daybook.entry_id'');' || s, '')
      from unnest(daybook.capture_statements(tracked, operation, 'many')) s)), '')
    into one, many
    from unnest('{INSERT,UPDATE,DELETE}'::text[]) operation;
  -- The usual way through it has as few statements as can be, without defaults of variables: each is set up anew in each transaction.
  perform daybook.write_capture(tracked, 'capture_' || tracked_id, format($body$
declare
  sent text := current_setting('daybook.context', true);
  origin daybook.origin;
  old_row record;
  new_row record;
  differences text;
  captured boolean;
  moment timestamptz;
  first_id bigint;
  nested_loops text;
begin
  if coalesce(current_setting('daybook.paused', true), '') <> '' and tg_op <> 'TRUNCATE' and daybook.is_paused(%1$s) then
    return null;
  end if;%5$s%2$s
  if%3$s
  else
    perform daybook.capture_truncate(%1$s, tg_relid);
    return null;
  end if;
  if captured then
    return null;
  elsif tg_op = 'INSERT' then
    captured := not exists (select from new_rows);
  else
    captured := not exists (select from old_rows);
  end if;
  if captured then
    return null;
  end if;
  moment := clock_timestamp();
  nested_loops := current_setting('enable_nestloop');
  perform set_config('enable_nestloop', 'off', true);
  case tg_op%4$s
  end case;
  perform set_config('enable_nestloop', nested_loops, true);
  return null;
end $body$, tracked_id, case when daybook.follows_tables() then '' else daybook.out_of_step_sql(tracked) end, substr(one, length(E'\n  elsif') + 1), many,
    daybook.read_origin_sql()));

  if tracked.by_row then
    perform daybook.write_capture(tracked, 'capture_row_' || tracked_id, format($body$
declare
  sent text := current_setting('daybook.context', true);
  origin daybook.origin;
begin
  if coalesce(current_setting('daybook.paused', true), '') <> '' and daybook.is_paused(%1$s) then
    return null;
  end if;%3$s
  case tg_op%2$s
  end case;
  return null;
end $body$, tracked_id, (
      select string_agg(format(E'\n    when %L then%s', operation, array_to_string(daybook.capture_statements(tracked, operation, 'row'), '')), '')
      from unnest('{INSERT,UPDATE,DELETE}'::text[]) operation), daybook.read_origin_sql()));
  end if;
end $$;

-- Makes one of a table's capture functions.
create or replace function daybook.write_capture(tracked daybook.tracked_table, name text, body text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
begin
  execute format('create or replace function daybook.%I() returns trigger language plpgsql security definer %s as %L', name, daybook.settings_sql(tracked), body);
  perform daybook.revoke_others('function', format('daybook.%I()', name), coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner)
    from pg_proc p where p.oid = format('daybook.%I()', name)::regprocedure;
  execute format('comment on function daybook.%I() is %L', name,
    'Capture of ' || tracked.relation::text || '. Written by daybook.compile_capture(): do not change it by hand.');
end $$;

-- Whether event triggers tell of tables that change.
create or replace function daybook.follows_tables() returns boolean
language sql stable
as $$
  select exists (select from pg_event_trigger where evtname = 'daybook_follow_tables' and evtenabled in ('O', 'A'))
$$;

-- A number for what a table's columns are: another when one is added, dropped, renamed or retyped.
create or replace function daybook.shape_number(relation regclass) returns numeric
language sql stable
as $$
  select coalesce(sum(hash_record_extended(row(a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attgenerated), 0)), 0)
  from pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
$$;

-- The columns as the session's own cache has them, which knows of a change that came after the transaction's snapshot. One more than there
-- were: it would be a new one.
create or replace function daybook.column_identities(relation regclass, columns int) returns text
language sql stable
as $$
  select string_agg((pg_identify_object('pg_class'::regclass, relation, number)).identity, ',' order by number) from generate_series(1, columns + 1) number
$$;

-- What a capture function does first where no event trigger tells of tables that change: it looks whether its table still is what it was
-- compiled for. Where it is not, the statements are made on the spot, so that nobody's write fails, and the function is compiled anew if
-- nobody else is at it.
create or replace function daybook.out_of_step_sql(tracked daybook.tracked_table) returns text
language plpgsql stable
as $$
declare
  columns int := (select max(attnum) from pg_attribute where attrelid = tracked.relation);
begin
  return format($sql$
  if tg_op <> 'TRUNCATE' and (daybook.shape_number(%1$s) <> %2$s
      or (current_setting('transaction_isolation') <> 'read committed' and daybook.column_identities(%1$s, %3$s) <> %4$L)) then
    declare
      statement text;
    begin
      foreach statement in array (select daybook.capture_statements(daybook.followed(t), tg_op, 'dynamic') from daybook.tracked_table t where t.id = %5$s) loop
        execute statement using origin.actor_type, origin.actor_id, origin.actor_label, origin.ip_address, origin.request_id, origin.tenant_id,
          origin.context, clock_timestamp(), nextval('daybook.entry_id');
      end loop;
    exception when others then
      if tg_op = 'INSERT' then
        perform daybook.capture_unread(%5$s, tg_op, origin) where exists (select from new_rows);
      else
        perform daybook.capture_unread(%5$s, tg_op, origin) where exists (select from old_rows);
      end if;
    end;
    perform daybook.catch_up(%5$s);
    return null;
  end if;$sql$, tracked.relation::oid, daybook.shape_number(tracked.relation), columns, daybook.column_identities(tracked.relation, columns), tracked.id);
end $$;

-- The entry of rows that can't be read: it says that they changed, and by whom.
create or replace function daybook.capture_unread(tracked_id int, operation text, origin daybook.origin) returns void
language sql
as $$
  insert into daybook.entry (recorded_at, action, actor_type, actor_id, ip_address, tenant_id, model, transaction_id, table_name, actor_label,
    request_id, database_user, context)
  select clock_timestamp(), case operation when 'INSERT' then 'create' else lower(operation) end, origin.actor_type, origin.actor_id, origin.ip_address,
    origin.tenant_id, t.model, pg_current_xact_id(), t.relation::text, origin.actor_label, origin.request_id, session_user,
    (coalesce(origin.context, '{}') || '{"rows_unread": true}')::text
  from daybook.tracked_table t where t.id = tracked_id
$$;

-- Compiles a table's capture anew within a write, where that is possible without waiting for anybody.
create or replace function daybook.catch_up(tracked_id int) returns void
language plpgsql
as $$
begin
  lock table daybook.tracked_table in share update exclusive mode nowait;
  perform daybook.compile_capture(tracked_id);
exception when others then
  return;
end $$;

-- Whether entries of the table's statements would come in another order than its changes: a trigger of its own that fires after each row,
-- or what a foreign key hands on, may write to its rows again, and that is captured before the statement that set it off. Such a table
-- is captured row by row, ahead of these. A partitioned table never is: its rows may move.
create or replace function daybook.needs_order(relation regclass) returns boolean
language sql stable
as $$
  with recursive written (relid, by_insert, by_update, by_delete) as (
    select relation::oid, true, true, true
    union
    -- What is written where a row that is referenced goes or changes its key.
    select c.conrelid, false,
      (w.by_update and c.confupdtype in ('c', 'n', 'd')) or (w.by_delete and c.confdeltype in ('n', 'd')),
      w.by_delete and c.confdeltype = 'c'
    from written w join pg_constraint c on c.confrelid = w.relid and c.contype = 'f'
    where (w.by_update and c.confupdtype in ('c', 'n', 'd')) or (w.by_delete and c.confdeltype in ('c', 'n', 'd'))
  )
  select (select relkind = 'r' and not relispartition from pg_class where oid = relation) and (
    exists (select from pg_constraint c join written w on w.relid = c.confrelid
      where c.contype = 'f' and c.conrelid = relation
        and ((w.by_update and c.confupdtype in ('c', 'n', 'd')) or (w.by_delete and c.confdeltype in ('c', 'n', 'd'))))
    or exists (
      select from written w join pg_trigger g on g.tgrelid = w.relid
      where not g.tgisinternal and g.tgenabled in ('O', 'A') and g.tgfoid not in (select f.oid from pg_proc f where f.pronamespace = 'daybook'::regnamespace)
        and ((w.by_insert and g.tgtype & 4 <> 0) or (w.by_delete and g.tgtype & 8 <> 0) or (w.by_update and g.tgtype & 16 <> 0))
        -- Of the table itself only what comes after the row: what comes before it also writes before it.
        and (w.relid <> relation or (g.tgtype & 1 <> 0 and g.tgtype & 66 = 0))))
$$;

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

-- The key that an object had before, where an update changed it.
create or replace function daybook.previous_key_sql(tracked daybook.tracked_table, old_side text, new_side text) returns text
language sql stable
as $$
  select case when count(*) = 1 and bool_and(daybook.is_plain_key(c.type) and not c.masked)
    then min(format('nullif(%s.%I, %s.%I)::text', old_side, c.name, new_side, c.name))
    else format('nullif(%s, %s)', daybook.object_key_sql(tracked, old_side), daybook.object_key_sql(tracked, new_side)) end
  from daybook.tracked_columns(tracked) c where c.key_position is not null
$$;

create or replace function daybook.object_label_sql(tracked daybook.tracked_table, side text) returns text
language sql stable
as $$
  select case count(*) when 0 then 'null::text' when 1 then format('left(nullif(%s, ''''), 256)', min(l.part))
    else format('left(nullif(concat_ws('' '', %s), ''''), 256)', string_agg(l.part, ', ' order by l.place)) end
  from (select n.place, daybook.label_sql(c.type, format('%s.%I', side, c.name)) as part
    from unnest(tracked.label_columns) with ordinality as n (name, place) join daybook.tracked_columns(tracked) c on c.name = n.name) l
$$;

-- What the database sees of the writer, as the defaults of the columns have it.
create or replace function daybook.defaults_sql() returns text[]
language sql stable
as $$
  select array_agg(pg_get_expr(d.adbin, d.adrelid) order by a.attname)
  from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
  where d.adrelid = 'daybook.entry'::regclass and a.attname in ('database_address', 'database_application', 'database_role')
$$;

-- The INSERT of the entries of one kind of change, in one of the ways of capture_statements. The first entry of many carries what they
-- share: `all_fields` too, where they list the values of these fields. `condition` picks rows of the source; where `changes` is null there
-- is no entry.
create or replace function daybook.capture_sql(tracked daybook.tracked_table, way text, action text, source text, condition text,
  key text, previous_key text, label text, changes text, all_fields text default null,
  model text default null, related_model text default null, related text default 'null::text, null::text') returns text
language plpgsql stable
as $$
declare
  many boolean := way in ('many', 'dynamic');
  origin text[] := case when way = 'dynamic' then '{$1,$2,$3,$4,$5,$6,$7}'
    else '{origin.actor_type,origin.actor_id,origin.actor_label,origin.ip_address,origin.request_id,origin.tenant_id,origin.context}' end;
  moment text := case way when 'many' then 'moment' when 'dynamic' then '$8' else 'clock_timestamp()' end;
  first_id text := case way when 'many' then 'first_id' else '$9' end;
  shared text[] := array[coalesce(all_fields, 'null::text[]'), 'pg_current_xact_id()', quote_literal(tracked.relation), origin[3], origin[5], 'session_user', origin[7]]
    || case when many then daybook.defaults_sql() end;
  rows text := concat('select ', concat_ws(', ', key, previous_key || '::text', label, related, changes), ' from ' || source, ' where ' || condition);
begin
  if all_fields is null or way = 'one' then
    -- It keeps the changes from being worked out twice, to filter and to store them.
    rows := rows || ' offset 0';
  end if;
  rows := format('(%s) as r (object_id, previous_object_id, object_label, related_id, related_label, changes) where r.changes is not null', rows);
  if way = 'one' then
    rows := rows || ' and octet_length(r.changes) <= 1048576';
  elsif many then
    rows := format('(select row_number() over () as place, r.* from %s) as r', rows);
    shared := array(select format('case when r.place = 1 then %s end', s) from unnest(shared) with ordinality as u (s, place) order by place);
  end if;
  return format($insert$
      insert into daybook.entry (id, recorded_at, statement_id, action, actor_type, actor_id, ip_address, tenant_id, model,
        object_id, previous_object_id, object_label, related_model, related_id, related_label, changes,
        changed_fields, transaction_id, table_name, actor_label, request_id, database_user, context%s)
      select %s, %s, %s, %L, %s, %s, %s, %s, %L,
        r.object_id, r.previous_object_id, r.object_label, %L::text, r.related_id, r.related_label, r.changes,
        %s
      from %s;$insert$,
    case when many then ', database_address, database_application, database_role' end,
    case when many then format('case when r.place = 1 then %s else nextval(''daybook.entry_id'') end', first_id) else 'nextval(''daybook.entry_id'')' end,
    moment,
    case when many then format('case when r.place > 1 then %s end', first_id) else 'null' end,
    action, origin[1], origin[2], origin[4], origin[6], coalesce(model, tracked.model), related_model, array_to_string(shared, ', '), rows);
end $$;

-- The same for a link between two objects: the entry is the one object's, and names the other. The labels of many are looked up at once.
create or replace function daybook.capture_link_sql(tracked daybook.tracked_table, way text, action text, side text, source text,
  condition text, changes text, all_fields text) returns text
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
  if way in ('many', 'dynamic') then
    source := format('%1$s left join daybook.labels_of(%2$s, array(select distinct %3$s from %4$s)) from_label on from_label.key = %3$s
      left join daybook.labels_of(%5$s, array(select distinct %6$s from %4$s)) to_label on to_label.key = %6$s',
      source, from_table.id, from_key, side_rows, to_table.id, to_key);
  else
    from_label := format('(select label from daybook.labels_of(%s, array[%s]))', from_table.id, from_key);
    to_label := format('(select label from daybook.labels_of(%s, array[%s]))', to_table.id, to_key);
  end if;
  return daybook.capture_sql(tracked, way, action, source, condition, from_key, 'null', from_label, changes, all_fields,
    from_table.model, to_table.model, format('%s, %s', to_key, to_label));
end $$;

create or replace function daybook.link_key_sql(tracked daybook.tracked_table, column_name text, side text) returns text
language sql stable
as $$
  select format('case when num_nulls(%s.%I) = 0 then %s end', side, c.name, daybook.key_sql(c.type, format('%s.%I', side, c.name)))
  from daybook.tracked_columns(tracked) c where c.name = column_name
$$;

-- The settings that a capture function pins, so that the same value gives the same text whatever the session's are. Each costs every
-- statement a little: only those that the table's types ask for. A plan for many rows would be compiled to machine code, for a third of a
-- second, and then for one row too.
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
  select concat_ws(' ', 'set search_path = pg_catalog, pg_temp set jit = off',
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
  origin daybook.origin := daybook.current_origin();
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
      counted := daybook.count_rows(truncated);
    end if;
  exception when others then
    counted := null;
  end;
  insert into daybook.entry (id, recorded_at, action, actor_type, actor_id, ip_address, tenant_id, model, transaction_id, table_name,
    actor_label, request_id, database_user, context)
  values (nextval('daybook.entry_id'), clock_timestamp(), 'truncate', origin.actor_type, origin.actor_id, origin.ip_address, origin.tenant_id,
    tracked.model, pg_current_xact_id(), truncated::text, origin.actor_label, origin.request_id, session_user,
    (coalesce(origin.context, '{}')
      || jsonb_build_object('rows', coalesce(counted, greatest(class.reltuples, 0)::bigint))
      || case when counted is null then '{"rows_estimated": true}' else '{}' end::jsonb)::text);
end $$;
