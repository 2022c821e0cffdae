-- How one value is written into the log. The capture functions are compiled from these texts; nothing here runs once a row but
-- capped_value and same_json.

-- A value above the cap: its size and digest instead of itself. `value` is its JSON.
create or replace function daybook.capped_value(value text) returns text
language sql immutable strict
as $$
  select case
    when octet_length(value) <= 1048576 then value
    else format('{"$daybook":"capped","bytes":%s,"sha256":"%s"}', octet_length(value), encode(sha256(convert_to(value, 'UTF8')), 'hex'))
  end
$$;

-- Whether two JSON texts differ in nothing but white space and the order of keys. False where jsonb can't hold one of them.
create or replace function daybook.same_json(a text, b text) returns boolean
language plpgsql immutable
as $$
begin
  return coalesce(a::jsonb::text = b::jsonb::text, false);
exception when others then
  return false;
end $$;

-- The built-in type that a column's type stands on, through domains.
create or replace function daybook.base_type(type oid) returns oid
language sql stable
as $$
  with recursive up as (
    select t.oid, t.typtype, t.typbasetype from pg_type t where t.oid = base_type.type
    union all
    select t.oid, t.typtype, t.typbasetype from up join pg_type t on up.typtype = 'd' and t.oid = up.typbasetype
  )
  select oid from up where typtype <> 'd'
$$;

-- SQL that gives the JSON text of the value `ref` of a type, null for null. to_json is called on nothing but built-in types:
-- on others it would run a cast that anybody may have planted. The output function is what is left, through concat().
create or replace function daybook.value_sql(type oid, ref text) returns text
language plpgsql stable
as $$
declare
  base oid := daybook.base_type(type);
  name text := case when base < 10000 then base::regtype::text end;
  plain text := case when base = type then ref else format('(%s)::%s', ref, base::regtype) end;
  element oid := (select t.typelem from pg_type t where t.oid = base and t.typcategory = 'A' and t.oid < 10000);
begin
  case
    when name in ('boolean', 'smallint', 'integer', 'bigint') then
      return format('(%s)::text', plain);
    when name in ('uuid', 'time without time zone', 'time with time zone') then
      return format('(''"'' || (%s)::text || ''"'')', plain);
    when name in ('real', 'double precision', 'numeric', 'date', 'timestamp without time zone', 'timestamp with time zone') then
      return format('to_json(%s)::text', plain);
    when name in ('text', 'character varying', 'character') then
      return format('case when octet_length(%1$s) <= 131072 then to_json(%1$s)::text else daybook.capped_value(to_json(%1$s)::text) end', plain);
    when name in ('json', 'jsonb') then
      return format('case when pg_column_size(%1$s) <= 2000 then (%1$s)::text else daybook.capped_value((%1$s)::text) end', plain);
    when element::regtype::text in ('boolean', 'smallint', 'integer', 'bigint', 'real', 'double precision', 'numeric', 'text', 'character varying',
        'character', 'uuid', 'date', 'time without time zone', 'timestamp without time zone', 'timestamp with time zone', 'json', 'jsonb') then
      return format('case when pg_column_size(%1$s) <= 2000 then to_json(%1$s)::text else daybook.capped_value(to_json(%1$s)::text) end', plain);
    else
      -- num_nulls and not IS NULL: a composite whose fields are all null is not null.
      return format('case when num_nulls(%1$s) = 0 then daybook.capped_value(to_json(concat(%1$s))::text) end', ref);
  end case;
end $$;

-- SQL that tells whether a value changed. A type's own = is used only where equal means the same text; elsewhere (numeric, json,
-- geometric types, …) the bytes and then the recorded texts decide.
create or replace function daybook.changed_sql(type oid, collation_id oid, old_ref text, new_ref text) returns text
language plpgsql stable
as $$
declare
  base oid := daybook.base_type(type);
  name text := case when base < 10000 then base::regtype::text end;
  bytes_differ text := format('row(%s)::record operator(pg_catalog.*<>) row(%s)::record', new_ref, old_ref);
begin
  case
    when name in ('boolean', 'smallint', 'integer', 'bigint', 'uuid', 'date', 'time without time zone', 'timestamp without time zone',
        'timestamp with time zone', 'bytea') then
      return format('%s is distinct from %s', new_ref, old_ref);
    when name in ('text', 'character varying') then
      -- Another collation may call two texts equal that are not.
      if (select collisdeterministic from pg_collation where oid = collation_id) then
        return format('%s is distinct from %s', new_ref, old_ref);
      end if;
      return format('%s collate "C" is distinct from %s collate "C"', new_ref, old_ref);
    when name = 'json' then
      return format('(%1$s and (%2$s)::text is distinct from (%3$s)::text and not daybook.same_json((%3$s)::text, (%2$s)::text))',
        bytes_differ, new_ref, old_ref);
    else
      return format('(%1$s and (num_nulls(%2$s) <> num_nulls(%3$s) or concat(%2$s) <> concat(%3$s) collate "C"))', bytes_differ, new_ref, old_ref);
  end case;
end $$;
