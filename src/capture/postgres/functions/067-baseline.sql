-- Writes the baseline entries of one batch of a tracked table's rows, in the order of their keys: what rows that have no entry hold now,
-- as `[null, new]`. Call it in a transaction of its own, with `last` of the call before as `after`, until `seen` is less than
-- batch_rows. Rows that another transaction holds are left out and named in `held`: give them as `only_keys` until none is left. Runs as
-- the table's owner, who must be a member of daybook_owner, or as a superuser.
--
-- Rows are locked FOR SHARE first, and only then is looked whether they have an entry: whoever changed one before has written it by
-- then, and whoever changes one later gets a higher id. A row that is held is never waited for, so that no deadlock can come of it.
create or replace function daybook.baseline(
  table_name text,
  batch_rows int default 1000,
  after json default null,
  only_keys json default null,
  out seen int, out written int, out last json, out held json)
language plpgsql
set search_path = pg_catalog, pg_temp
set "TimeZone" = 'UTC'
set extra_float_digits = 1
set "DateStyle" = 'ISO, YMD'
set "IntervalStyle" = 'iso_8601'
set bytea_output = 'hex'
set lc_monetary = 'C'
set quote_all_identifiers = off
set row_security = off
set jit = off
as $$
declare
  tracked daybook.tracked_table := (select t from daybook.tracked_table t where t.relation = daybook.find_table(table_name));
  source text;         -- the table, as FROM names it
  key_list text;       -- its key, of the row k
  key_texts text;
  key_count int;
  same_key text;       -- whether k has the key w.value
  rows text;
  wanted json;
  relids oid[];
  tids tid[];
  locked text[];       -- their keys
  first_id bigint := nextval('daybook.entry_id');
  origin daybook.origin := daybook.current_origin();
begin
  if tracked.id is null then
    raise exception using errcode = 'YD004', message = format('%s is not tracked.', daybook.find_table(table_name)),
      hint = 'Track it first: a baseline is of rows whose later changes are recorded.';
  elsif exists (select from daybook.uncaptured_relations(tracked.id)) then
    raise exception using errcode = 'YD004', message = format('Changes of %s are not captured: a trigger is missing or switched off.', tracked.relation),
      hint = 'Put it back with daybook sync, or daybook track, before the baseline.';
  elsif batch_rows is null or batch_rows not between 1 and 100000 then
    raise exception using errcode = 'YD008', message = format('There is no batch of %s rows.', batch_rows), hint = 'Give a number from 1 to 100000.';
  end if;
  select string_agg(format('k.%I', c.name), ', ' order by c.place), string_agg(format('concat(k.%I)', c.name), ', ' order by c.place), count(*),
      string_agg(format('%s %s (w.value ->> %s)::%s', daybook.key_value_sql(tracked, c.name, 'k'), c.equal, c.place - 1, c.type), ' and ')
    into key_list, key_texts, key_count, same_key
    from daybook.key_columns(tracked) c;
  if key_count = 0 or daybook.baseline_object_sql(tracked, 'k') = 'null::text' then
    raise exception using errcode = 'YD003', message = format('%s can''t be given a baseline: the log can''t tell its rows apart.', tracked.relation),
      hint = 'It takes a primary key that is not masked.';
  end if;
  source := case when (select c.relkind from pg_class c where c.oid = tracked.relation) = 'p' then '' else 'only ' end || tracked.relation;

  if only_keys is not null then
    rows := format('(select k.* from json_array_elements($3) w join %s k on %s)', source, same_key);
  else
    -- After (a, b) in the order of the key: the same a and a greater b, or a greater a. Each is a walk along the key's index.
    select string_agg(format('(select k.* from %s k where %s order by %s limit $2)', source, coalesce(b.condition, 'true'), key_list), ' union all ')
      into rows
      from (
        select (select string_agg(format('%s %s ($1 ->> %s)::%s', daybook.key_value_sql(tracked, c.name, 'k'), case c.place when depth then c.greater else c.equal end, c.place - 1, c.type), ' and ')
          from daybook.key_columns(tracked) c where c.place <= depth and after is not null) as condition
        from generate_series(1, case when after is null then 1 else key_count end) depth) b;
  end if;
  execute format($pick$
    select count(*), json_agg(p.key order by p.place) -> -1, coalesce(json_agg(p.key order by p.place) filter (where not p.known), '[]')
    from (select row_number() over (order by %2$s) as place, json_build_array(%3$s) as key, %4$s as known
      from (select k.* from (%1$s) k order by %2$s limit $2) k) p$pick$, rows, key_list, key_texts, daybook.baseline_known_sql(tracked, 'k'))
    into seen, last, wanted using after, batch_rows, only_keys;

  execute format($lock$
    select array_agg(l.relid), array_agg(l.tid), array_agg(l.key)
    from (select k.tableoid as relid, k.ctid as tid, w.value::text as key
      from json_array_elements($1) w join %s k on %s for share of k skip locked) l$lock$, source, same_key)
    into relids, tids, locked using wanted;
  held := (select coalesce(json_agg(w.value), '[]') from json_array_elements(wanted) w
    where not exists (select from unnest(locked) l (key) where l.key = w.value::text));

  execute daybook.baseline_sql(tracked, source) using relids, tids, first_id, clock_timestamp(), origin.actor_type, origin.actor_id, origin.ip_address,
    origin.tenant_id, origin.actor_label, origin.request_id, session_user, origin.context;
  get diagnostics written = row_count;
end $$;

-- The columns of a tracked table's key, in its order, with what a text is cast to for them and the operators of the key's index: on the
-- search_path may be others.
create or replace function daybook.key_columns(tracked daybook.tracked_table, out name text, out place int, out type text, out equal text, out greater text)
returns setof record
language sql stable
as $$
  select c.name, c.key_position, format_type((daybook.base_type(c.type)).id, -1) || coalesce(' collate ' || l.oid::regcollation, ''), o.equal, o.greater
  from daybook.tracked_columns(tracked) c
  left join pg_collation l on l.oid = c.collation_id
  join pg_index i on i.indrelid = tracked.relation and i.indisprimary
  cross join lateral (
    select max(format('operator(%I.%s)', s.nspname, p.oprname)) filter (where a.amopstrategy = 3) as equal,
      max(format('operator(%I.%s)', s.nspname, p.oprname)) filter (where a.amopstrategy = 5) as greater
    from pg_opclass f
    join pg_amop a on a.amopfamily = f.opcfamily and a.amoplefttype = f.opcintype and a.amoprighttype = f.opcintype
    join pg_operator p on p.oid = a.amopopr
    join pg_namespace s on s.oid = p.oprnamespace
    where f.oid = i.indclass[c.key_position - 1]) o
  where c.key_position is not null
$$;

-- SQL that gives the value of a column as the operators of key_columns take it.
create or replace function daybook.key_value_sql(tracked daybook.tracked_table, column_name text, side text) returns text
language sql stable
as $$
  select daybook.base_value_sql(c.type, format('%s.%I', side, c.name)) from daybook.tracked_columns(tracked) c where c.name = column_name
$$;

-- SQL that gives the key of the object that a baseline entry is about: of a link, the one that it leads from.
create or replace function daybook.baseline_object_sql(tracked daybook.tracked_table, side text) returns text
language sql stable
as $$
  select case when tracked.link_kind is null then daybook.object_key_sql(tracked, side) else daybook.link_key_sql(tracked, tracked.link_from, side) end
$$;

-- SQL that tells whether a row needs no baseline: it has an entry, and that is not the end of another row that had its key before. A link
-- that leads nowhere needs none either.
create or replace function daybook.baseline_known_sql(tracked daybook.tracked_table, side text) returns text
language sql stable
as $$
  select case when tracked.link_kind is null then
      format('coalesce((select v.action <> ''delete'' from (select v.id, v.action from daybook.entries v
          where v.object_id = (%s) collate "C" and v.table_name is not null and (v.model = %L or v.table_name = %L) offset 0) v order by v.id desc limit 1), false)',
        daybook.object_key_sql(tracked, side), tracked.model, tracked.relation)
    else
      format('coalesce((select v.action not in (''unlinked'', ''permission_revoked'') from (select v.id, v.action from daybook.entries v
          where v.object_id = (%1$s) collate "C" and v.related_id = (%2$s) collate "C" and v.table_name = %3$L offset 0) v order by v.id desc limit 1), num_nulls(%1$s, %2$s) > 0)',
        daybook.link_key_sql(tracked, tracked.link_from, side), daybook.link_key_sql(tracked, tracked.link_to, side), tracked.relation)
  end
$$;

-- The INSERT of the baseline entries of the rows at ($1, $2) that are not known. $3 is the id of the first, $4 to $12 what all share.
create or replace function daybook.baseline_sql(tracked daybook.tracked_table, source text) returns text
language plpgsql stable
as $$
declare
  recorded_names text[] := array(select c.name from daybook.tracked_columns(tracked) c where c.recorded);
  max_bytes int := least(1048576, 80000000 / greatest(cardinality(recorded_names), 1));
  changes text[] := '{}';
  object text := daybook.baseline_object_sql(tracked, 'n');
  label text := daybook.object_label_sql(tracked, 'n');
  model text := tracked.model;
  related_model text;
  related text := 'null::text';
  related_label text := 'null::text';
  labels text := '';
  from_table daybook.tracked_table;
  to_table daybook.tracked_table;
  col record;
begin
  for col in select * from daybook.tracked_columns(tracked) c where c.recorded loop
    changes := changes || format('%L, coalesce(%s, ''null'')',
      case when changes = '{}' then '{' else '],' end || to_json(col.name)::text || ':[null,',
      daybook.recorded_text_sql(tracked, col.name, 'n', max_bytes));
  end loop;
  if tracked.link_kind is not null then
    from_table := daybook.referenced_table(tracked.relation, tracked.link_from);
    to_table := daybook.referenced_table(tracked.relation, tracked.link_to);
    model := from_table.model;
    related_model := to_table.model;
    related := daybook.link_key_sql(tracked, tracked.link_to, 'n');
    label := 'from_label.label';
    related_label := 'to_label.label';
    labels := format('left join daybook.labels_of(%1$s, array(select distinct %2$s from n)) from_label on from_label.key = %2$s
      left join daybook.labels_of(%3$s, array(select distinct %4$s from n)) to_label on to_label.key = %4$s', from_table.id, object, to_table.id, related);
  end if;
  return format($insert$
    with n as materialized (
      select t.* from unnest($1::oid[], $2::tid[]) l (relid, tid) join %1$s t on t.ctid = l.tid and t.tableoid = l.relid
    )
    insert into daybook.entry (id, recorded_at, statement_id, action, actor_type, actor_id, ip_address, tenant_id, model,
      object_id, object_label, related_model, related_id, related_label, changes, changed_fields,
      transaction_id, table_name, actor_label, request_id, database_user, context, database_address, database_application, database_role)
    select case when r.place = 1 then $3 else nextval('daybook.entry_id') end, $4, case when r.place > 1 then $3 end, 'baseline', $5, $6, $7, $8, %2$L,
      r.object_id, r.object_label, %3$L::text, r.related_id, r.related_label, r.changes, case when r.place = 1 then %4$L::text[] end,
      case when r.place = 1 then pg_current_xact_id() end, case when r.place = 1 then %5$L end, case when r.place = 1 then $9 end,
      case when r.place = 1 then $10 end, case when r.place = 1 then $11 end, case when r.place = 1 then $12 end, %14$s
    from (select row_number() over (order by %6$s) as place, %7$s as object_id, %8$s as object_label, %9$s as related_id, %10$s as related_label, %11$s as changes
      from n %12$s where not %13$s) r$insert$,
    source, model, related_model, recorded_names, tracked.relation,
    (select string_agg(format('n.%I', c.name), ', ' order by c.place) from daybook.key_columns(tracked) c),
    object, label, related, related_label, daybook.concat_sql(changes || quote_literal(']}'), ''), labels, daybook.baseline_known_sql(tracked, 'n'),
    (select string_agg(format('case when r.place = 1 then %s end', d), ', ') from unnest(daybook.defaults_sql()) d));
end $$;
