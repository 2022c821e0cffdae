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
    from aclexplode(rights) a where a.grantee <> revoke_others.owner
  loop
    execute format('revoke all on %s %s from %s', kind, object, grantee);
  end loop;
end $$;
