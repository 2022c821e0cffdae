-- What is masked inside JSON columns. A mask that names no column is a path such as `meta.card.number`, whose first key is the column.

-- The keys of a path: they are joined by dots, odd ones written as ["x.key"]; `*` stands for any. Null where it is no path.
create or replace function daybook.path_keys(path text) returns text[]
language sql immutable strict
as $$
  select case when path ~ '^[^].["[:space:]]+(\.[^].["[:space:]]+|\["([^"\\]|\\.)+"\])+$' then
    array(select coalesce(k.parts[1], ('"' || k.parts[2] || '"')::json #>> '{}')
      from regexp_matches(path, '([^].["[:space:]]+)|\["((?:[^"\\]|\\.)+)"\]', 'g') with ordinality k (parts, place) order by k.place) end
$$;

-- The masked paths inside a column, each as its keys below the column, as JSON; null without any.
create or replace function daybook.masked_paths(tracked daybook.tracked_table, column_name text) returns jsonb
language sql stable
as $$
  select jsonb_agg(to_jsonb(k.keys[2:]))
  from unnest(tracked.mask_columns) m (mask) cross join lateral daybook.path_keys(m.mask) k (keys)
  where k.keys[1] = column_name and not exists (select from pg_attribute a where a.attrelid = tracked.relation and a.attname = m.mask and not a.attisdropped)
$$;

-- A JSON text with what stands at the paths masked, at any place in lists. What jsonb can't hold can't be searched: it is masked as a whole.
create or replace function daybook.masked_json(value text, paths jsonb) returns json
language plpgsql immutable strict
as $$
declare
  document jsonb;
begin
  document := value::jsonb;
  for place in 0 .. jsonb_array_length(paths) - 1 loop
    document := daybook.masked_document(document, array(select jsonb_array_elements_text(paths -> place)));
  end loop;
  return document;
exception when others then
  return '{"$daybook":"masked"}';
end $$;

create or replace function daybook.masked_document(document jsonb, keys text[]) returns jsonb
language plpgsql immutable strict
as $$
begin
  return case jsonb_typeof(document)
    when 'array' then (select coalesce(jsonb_agg(daybook.masked_document(e.value, keys) order by e.place), '[]')
      from jsonb_array_elements(document) with ordinality e (value, place))
    when 'object' then (select coalesce(jsonb_object_agg(m.key, case
        when keys[1] <> '*' and lower(m.key) <> lower(keys[1]) or m.value = 'null' then m.value
        when cardinality(keys) = 1 then '{"$daybook": "masked"}'
        else daybook.masked_document(m.value, keys[2:]) end), '{}')
      from jsonb_each(document) m)
    else document end;
end $$;
