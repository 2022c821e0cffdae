-- Who may do what. The application's role may run the recording function and keep months ahead; readers may read; nobody else anything.
-- Rights are had by membership in these roles: what others were given is taken back, for default privileges may have given it.
do $$
begin
  perform daybook.revoke_others('schema', 'daybook', nspacl, nspowner) from pg_namespace where nspname = 'daybook';
  perform daybook.revoke_relation(oid::regclass) from pg_class where relnamespace = 'daybook'::regnamespace and relkind in ('r', 'p', 'v', 'S');
  perform daybook.revoke_others('function', oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner)), proowner)
    from pg_proc where pronamespace = 'daybook'::regnamespace and pg_has_role(proowner, 'usage');
  -- Only a superuser makes this role, with the event triggers.
  if exists (select from pg_roles where rolname = 'daybook_follower') then
    grant usage on schema daybook to daybook_follower;
    grant execute on function daybook.follow_changes, daybook.follow_order to daybook_follower;
  end if;
end $$;
grant usage on schema daybook to daybook_writer, daybook_reader;
grant execute on function daybook.record, daybook.ensure_months, daybook.probe, daybook.wiring to daybook_writer;
grant select on daybook.entries, daybook.entry, daybook.tracked_table, daybook.migration to daybook_reader;
grant execute on function daybook.findings, daybook.granted_rights, daybook.parts, daybook.attribution, daybook.application_roles to daybook_reader;
