-- How one value is written into the log. The capture functions are compiled from the texts that json_sql, plain_sql, key_sql, label_sql
-- and changed_sql give; what runs once a value are the others.

-- Stands for a value that is too large for the log: its size and digest.
create or replace function daybook.capped(value bytea) returns json
language sql immutable strict
as $$
  select format('{"$daybook":"capped","bytes":%s,"sha256":"%s"}', octet_length(value), encode(sha256(value), 'hex'))::json
$$;

-- A text as JSON, or the marker where it is larger than a number of bytes. In plpgsql: inlined, the text would be made twice.
create or replace function daybook.capped_text(value text, max_bytes int) returns json
language plpgsql stable strict
as $$
begin
  if octet_length(value) <= max_bytes then
    return to_json(value);
  end if;
  return daybook.capped(convert_to(value, getdatabaseencoding()));
end $$;

-- A value that is JSON, or becomes JSON, or the marker. A few bytes may stand for more digits than PostgreSQL can put into one text:
-- then there is no digest either.
create or replace function daybook.capped_json(value anyelement, max_bytes int) returns json
language plpgsql stable strict
as $$
declare
  json json;
begin
  json := to_json(value);
  if octet_length(json::text) <= max_bytes then
    return json;
  end if;
  return daybook.capped(convert_to(json::text, getdatabaseencoding()));
exception when program_limit_exceeded or out_of_memory or invalid_parameter_value then
  return '{"$daybook":"capped"}';
end $$;

-- A key as the log's indexes can hold it: a long one is its beginning and its digest.
create or replace function daybook.cap_key(key text) returns text
language sql stable
as $$
  select case when octet_length(key) <= 1024 then key
    else left(key, 128) || '...sha256:' || encode(sha256(convert_to(key, getdatabaseencoding())), 'hex') end
$$;

-- Whether two JSON texts differ in nothing but white space and the order of keys. False where jsonb can't hold one of them, and where it
-- may have dropped something, a key that stands twice: then it is shorter.
create or replace function daybook.same_json(a text, b text) returns boolean
language plpgsql immutable
as $$
begin
  return coalesce(a::jsonb::text = b::jsonb::text, false)
    and length(regexp_replace(a, '[[:space:]]', '', 'g')) = length(regexp_replace(b, '[[:space:]]', '', 'g'))
    and length(regexp_replace(a, '[[:space:]]', '', 'g')) <= length(regexp_replace(a::jsonb::text, '[[:space:]]', '', 'g'));
exception when others then
  return false;
end $$;

-- The type that a column's type stands on, through domains, with the name it has if it is built in.
create or replace function daybook.base_type(type oid, out id oid, out built_in name, out fixed_length boolean, out element name)
language sql stable
as $$
  with recursive up as (
    select t.oid, t.typtype, t.typbasetype from pg_type t where t.oid = base_type.type
    union all
    select t.oid, t.typtype, t.typbasetype from up join pg_type t on up.typtype = 'd' and t.oid = up.typbasetype
  )
  select t.oid, case when t.oid < 10000 then t.typname end, t.typlen > 0,
    case when t.oid < 10000 and t.typcategory = 'A' then (select e.typname from pg_type e where e.oid = t.typelem) end
  from up join pg_type t on t.oid = up.oid where up.typtype <> 'd'
$$;

-- SQL that gives a value of a domain as one of the type that the domain stands on. Operators of some types, enums among them, take no domain.
create or replace function daybook.base_value_sql(type oid, ref text) returns text
language sql stable
as $$
  select case when b.id = type then ref else format('(%s)::%s', ref, format_type(b.id, -1)) end from daybook.base_type(type) b
$$;

-- SQL that gives a value as what json_build_array() makes the recorded JSON of, null for null, whatever its size. JSON is made of nothing
-- but built-in types: of others it would run a cast that anybody may have planted. The output function is what is left, through concat().
create or replace function daybook.json_sql(type oid, ref text, max_bytes int) returns text
language plpgsql stable
as $$
declare
  base record := daybook.base_type(type);
  plain text := daybook.base_value_sql(type, ref);
begin
  case
    when base.built_in in ('bool', 'int2', 'int4', 'int8', 'uuid', 'time', 'timetz', 'float4', 'float8', 'numeric', 'date', 'timestamp', 'timestamptz') then
      return plain;
    when base.built_in in ('text', 'varchar', 'bpchar') then
      return format('case when octet_length(%1$s) <= %2$s then to_json(%1$s) else daybook.capped_text(%1$s, %2$s) end', plain, max_bytes);
    when base.built_in in ('json', 'jsonb') or base.element in ('bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'text', 'varchar',
        'bpchar', 'uuid', 'date', 'time', 'timestamp', 'timestamptz', 'json', 'jsonb') then
      -- A small one needs no look at its text, but a hundred bytes may be a number of a million digits.
      return format('case when pg_column_size(%1$s) <= 100 then to_json(%1$s) else daybook.capped_json(%1$s, %2$s) end', plain, max_bytes);
    when base.built_in = 'bytea' then
      -- Before it becomes text, which takes twice the space.
      return format('case when octet_length(%1$s) <= %2$s then to_json(concat(%1$s)) else daybook.capped(%1$s) end', plain, max_bytes / 2);
    when base.fixed_length or base.built_in in ('inet', 'cidr') then
      return format('case when num_nulls(%1$s) = 0 then concat(%1$s) end', ref);
    else
      -- num_nulls and not IS NULL: a composite whose fields are all null is not null.
      return format('case when num_nulls(%1$s) = 0 then daybook.capped_text(concat(%1$s), %2$s) end', ref, max_bytes);
  end case;
end $$;

-- The look that tells whether a value of a type is as small as json_sql's first look wants it: at its 'length' or its 'size'; null where
-- there is none.
create or replace function daybook.small_look(type oid) returns text
language plpgsql stable
as $$
declare
  base record := daybook.base_type(type);
begin
  return case
    when base.built_in in ('text', 'varchar', 'bpchar') then 'length'
    when base.built_in in ('json', 'jsonb') or base.element in ('bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'text', 'varchar',
      'bpchar', 'uuid', 'date', 'time', 'timestamp', 'timestamptz', 'json', 'jsonb') then 'size' end;
end $$;

-- The same for a value that is known to be small: see one_small_sql and row_values_sql.
create or replace function daybook.plain_sql(type oid, ref text) returns text
language plpgsql stable
as $$
declare
  base record := daybook.base_type(type);
begin
  if base.built_in in ('bool', 'int2', 'int4', 'int8', 'uuid', 'time', 'timetz', 'float4', 'float8', 'numeric', 'date', 'timestamp', 'timestamptz', 'text',
      'varchar', 'bpchar', 'json', 'jsonb') or base.element in ('bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'text', 'varchar', 'bpchar',
      'uuid', 'date', 'time', 'timestamp', 'timestamptz', 'json', 'jsonb') then
    return daybook.base_value_sql(type, ref);
  end if;
  return format('case when num_nulls(%1$s) = 0 then concat(%1$s) end', ref);
end $$;

-- What kind of look a value needs before it is known to be small: none, at its bytes (which a compression may have made of 255 times as
-- many), or at its bytes and that they are not compressed (for their text may be far longer than they are).
create or replace function daybook.size_kind(type oid) returns text
language plpgsql stable
as $$
declare
  base record := daybook.base_type(type);
begin
  return case
    when base.fixed_length or base.built_in in ('numeric', 'inet', 'cidr') then 'fixed'
    when base.built_in in ('text', 'varchar', 'bpchar', 'json') then 'text'
    else 'dense' end;
end $$;

-- Whether the text of a key of a type is a plain cast of it.
create or replace function daybook.is_plain_key(type oid) returns boolean
language sql stable
as $$
  select coalesce(b.built_in in ('int2', 'int4', 'int8', 'uuid'), false) from daybook.base_type(type) b
$$;

-- SQL that gives the text of one column of a key.
create or replace function daybook.key_sql(type oid, ref text) returns text
language plpgsql stable
as $$
begin
  return format(case when daybook.is_plain_key(type) then '(%s)::text' when (daybook.base_type(type)).fixed_length then 'concat(%s)'
    else 'daybook.cap_key(concat(%s))' end, ref);
end $$;

-- SQL that gives what one column adds to a label, null or empty for nothing.
create or replace function daybook.label_sql(type oid, ref text) returns text
language plpgsql stable
as $$
begin
  return format(case when (daybook.base_type(type)).built_in in ('text', 'varchar') then 'left(%s, 256)' else 'concat(%s)' end, ref);
end $$;

-- SQL that tells whether a value changed. A type's own = is used only where equal means the same text; elsewhere (numeric, json,
-- geometric types, ...) the bytes and then the recorded texts decide.
create or replace function daybook.changed_sql(type oid, collation_id oid, old_ref text, new_ref text) returns text
language plpgsql stable
as $$
declare
  name name := (daybook.base_type(type)).built_in;
  bytes_differ text := format('row(%s)::record operator(pg_catalog.*<>) row(%s)::record', new_ref, old_ref);
begin
  case
    when name in ('bool', 'int2', 'int4', 'int8', 'uuid', 'date', 'time', 'timestamp', 'timestamptz', 'bytea') then
      return format('%s is distinct from %s', new_ref, old_ref);
    when name in ('text', 'varchar') then
      -- Another collation may call two texts equal that are not.
      if (select collisdeterministic from pg_collation where oid = collation_id) then
        return format('%s is distinct from %s', new_ref, old_ref);
      end if;
      return format('%s collate "C" is distinct from %s collate "C"', new_ref, old_ref);
    when name in ('numeric', 'jsonb') then
      -- The same bytes are the same text, and the other way round.
      return bytes_differ;
    when name = 'json' then
      return format('(%1$s and (%2$s)::text is distinct from (%3$s)::text and not daybook.same_json((%3$s)::text, (%2$s)::text))',
        bytes_differ, new_ref, old_ref);
    else
      return format('(%1$s and (num_nulls(%2$s) <> num_nulls(%3$s) or concat(%2$s) <> concat(%3$s) collate "C"))', bytes_differ, new_ref, old_ref);
  end case;
end $$;
