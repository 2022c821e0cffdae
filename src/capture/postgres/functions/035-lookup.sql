-- What is read from the application's tables: the labels of linked objects, and how many rows a TRUNCATE takes. To plan a query is to run
-- what the table's owner wrote into its indexes, and to read it may run policies. So it is done as daybook_lookup, a role that may do
-- nothing but read these tables: never as the log's owner.
create or replace function daybook.look_up(query text, keys text[]) returns table (key text, label text)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
begin
  return query execute query using keys;
end $$;

create or replace function daybook.count_rows(relation regclass) returns bigint
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  counted bigint;
begin
  execute format('select count(*) from %s', relation) into counted;
  return counted;
end $$;

do $$
declare
  lookup regprocedure;
begin
  foreach lookup in array array['daybook.look_up', 'daybook.count_rows']::regproc[]::regprocedure[] loop
    if (select proowner <> 'daybook_lookup'::regrole from pg_proc where oid = lookup) then
      -- Whoever is to own a function must be able to make one, at that moment.
      grant create on schema daybook to daybook_lookup;
      execute format('alter function %s owner to daybook_lookup', lookup);
      revoke create on schema daybook from daybook_lookup;
    end if;
  end loop;
end $$;
