-- Roles belong to the server: another database's log may have made them already, or be about to. Where the installing role may not
-- make roles, a DBA has made them before: docs/install.md.
do $$
declare
  role text;
begin
  foreach role in array array['daybook_owner', 'daybook_writer', 'daybook_reader', 'daybook_lookup'] loop
    if not exists (select from pg_roles where rolname = role) then
      begin
        execute format('create role %I nologin', role);
      exception when duplicate_object or unique_violation then
        null;
      end;
    end if;
  end loop;
  if exists (select from pg_roles where rolname in ('daybook_owner', 'daybook_lookup') and (rolsuper or rolbypassrls)) then
    raise exception using errcode = 'YD009', message = 'A role that Daybook''s functions run as is a superuser, or is not bound by row-level security.',
      hint = 'Take that from it: alter role daybook_owner nosuperuser nobypassrls; alter role daybook_lookup nosuperuser nobypassrls.';
  end if;
  -- Who installs and is no superuser must be able to act as the owner; from PostgreSQL 16 on, making a role does not give that.
  if not pg_has_role(current_user, 'daybook_owner', case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end) then
    begin
      execute format('grant daybook_owner to %I', current_user);
    exception when unique_violation then
      null;
    end;
  end if;
  if not pg_has_role('daybook_owner', 'daybook_lookup', 'usage') then
    begin
      grant daybook_lookup to daybook_owner;
    exception when unique_violation then
      null;
    end;
  end if;
  if to_regnamespace('daybook') is null then
    create schema daybook authorization daybook_owner;
  elsif (select nspowner <> 'daybook_owner'::regrole from pg_namespace where nspname = 'daybook') then
    -- Its owner could drop what is in it.
    raise exception using errcode = 'YD009', message = 'There is a schema daybook in this database that is not Daybook''s.',
      hint = 'Rename or drop it, and install again. If it was made for Daybook: alter schema daybook owner to daybook_owner.';
  end if;
end $$;
