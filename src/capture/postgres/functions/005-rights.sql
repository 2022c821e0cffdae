-- Takes an object of the log from everybody but its owner: default privileges may have given it away. `kind` is as GRANT names it.
create or replace function daybook.revoke_others(kind text, object text, rights aclitem[], owner oid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  grantee text;
begin
  for grantee in
    select distinct case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
    from aclexplode(nullif(rights, '{}')) a where a.grantee <> revoke_others.owner
  loop
    execute format('revoke all on %s %s from %s cascade', kind, object, grantee);
  end loop;
end $$;

-- The same for a table of the log, or a partition, view or sequence: with the rights on its columns, and on the type of its rows, of
-- which somebody could make a column that keeps the table from being dropped.
create or replace function daybook.revoke_relation(relation regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform daybook.revoke_others(case c.relkind when 'S' then 'sequence' else 'table' end, relation::text,
      c.relacl || array(select unnest(a.attacl) from pg_attribute a where a.attrelid = relation and a.attacl is not null), c.relowner)
    from pg_class c where c.oid = relation;
  perform daybook.revoke_others('type', relation::text, coalesce(t.typacl, acldefault('T', t.typowner)), t.typowner)
    from pg_type t where t.typrelid = relation;
end $$;
