-- Roles belong to the server: another database's log may have made them already, or be about to.
do $$
declare
  role text;
begin
  foreach role in array array['daybook_owner', 'daybook_writer', 'daybook_reader', 'daybook_follower'] loop
    if not exists (select from pg_roles where rolname = role) then
      begin
        execute format('create role %I nologin', role);
      exception when duplicate_object or unique_violation then
        null;
      end;
    end if;
  end loop;
  -- Who installs and is no superuser must be able to act as the owner; from PostgreSQL 16 on, making a role does not give that.
  if not pg_has_role(current_user, 'daybook_owner', 'usage') then
    execute format('grant daybook_owner to %I', current_user);
  end if;
  if to_regnamespace('daybook') is null then
    create schema daybook authorization daybook_owner;
  elsif (select nspowner <> 'daybook_owner'::regrole from pg_namespace where nspname = 'daybook') then
    -- Its owner could drop what is in it.
    raise exception using errcode = 'YD009', message = 'There is a schema daybook in this database that is not Daybook''s.',
      hint = 'Rename or drop it, and install again.';
  end if;
end $$;
