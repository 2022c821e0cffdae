-- Keeps the capture in step with ALTER TABLE and DROP TABLE, and puts it on new partitions. Only a superuser can make event triggers;
-- without them, run daybook sync after a change of a tracked table.
--
-- Event triggers run within everybody's DDL, a superuser's too. So what they run must not be in the hands of daybook_owner, whose
-- members are no superusers: follow_tables runs as daybook_follower, a role without rights and members, whatever it calls;
-- follow_partitions runs as the superuser and calls nothing but PostgreSQL itself. The role is made here and not with the others, for
-- whoever makes a role can become it; and a function may have been there before, as somebody else's.
do $install$
declare
  given record;
begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    return;
  end if;

  if not exists (select from pg_roles where rolname = 'daybook_follower') then
    begin
      create role daybook_follower nologin;
    exception when duplicate_object or unique_violation then
      null;
    end;
  end if;
  if exists (select from pg_roles where rolname = 'daybook_follower' and (rolsuper or rolcanlogin or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)) then
    alter role daybook_follower nosuperuser nologin nocreaterole nocreatedb noreplication nobypassrls;
  end if;
  for given in
    select pg_get_userbyid(m.member) as member, pg_get_userbyid(m.grantor) as grantor from pg_auth_members m where m.roleid = 'daybook_follower'::regrole
  loop
    execute format('revoke daybook_follower from %I granted by %I cascade', given.member, given.grantor);
  end loop;
  grant usage on schema daybook to daybook_follower;
  grant execute on function daybook.follow_changes, daybook.follow_order to daybook_follower;

  create or replace function daybook.follow_tables() returns event_trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  as $$
  declare
    changed oid[];
  begin
    if tg_event = 'sql_drop' then
      perform daybook.follow_changes(array(select objid from pg_event_trigger_dropped_objects() where classid = 'pg_class'::regclass));
    else
      -- A change goes on to partitions and inheritance children, and from a composite type to the tables that are of it.
      changed := array(
        with recursive reached as (
          select d.objid from pg_event_trigger_ddl_commands() d where d.classid in ('pg_class'::regclass, 'pg_namespace'::regclass)
          union
          select c.oid from pg_event_trigger_ddl_commands() d join pg_type t on d.objid in (t.oid, t.typrelid) join pg_class c on c.reloftype = t.oid
          union
          select i.inhrelid from reached r join pg_inherits i on i.inhparent = r.objid
        )
        select objid from reached);
      if tg_tag not in ('CREATE TABLE', 'CREATE TRIGGER') then
        perform daybook.follow_changes(changed);
      end if;
      if exists (select from pg_constraint c where c.conrelid = any (changed) and c.contype = 'f')
        or exists (select from pg_event_trigger_ddl_commands() d join pg_trigger g on g.oid = d.objid join pg_proc f on f.oid = g.tgfoid
          where d.classid = 'pg_trigger'::regclass and f.pronamespace <> 'daybook'::regnamespace) then
        perform daybook.follow_order();
      end if;
    end if;
  exception when others then
    raise warning 'Daybook could not follow this change: %', sqlerrm using hint = 'Run daybook sync, or writers of the changed table may fail.';
  end $$;
  alter function daybook.follow_tables() owner to daybook_follower;

  create or replace function daybook.follow_partitions() returns event_trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  as $$
  declare
    partition record;
    capture name;
  begin
    for partition in
      select t.relid as relation, t.parentrelid as parent
      from (select distinct pg_partition_root(objid) as root from pg_event_trigger_ddl_commands() where classid = 'pg_class'::regclass) r
      cross join lateral pg_partition_tree(r.root) t
      where t.level > 0 and not exists (select from pg_trigger where tgrelid = t.relid and tgname = 'daybook_insert')
      order by t.level
    loop
      capture := (select f.proname from pg_trigger g join pg_proc f on f.oid = g.tgfoid
        where g.tgrelid = partition.parent and g.tgname = 'daybook_insert' and f.pronamespace = 'daybook'::regnamespace);
      continue when capture is null;
      execute format('grant select on %s to daybook_lookup', partition.relation);
      execute format('create or replace trigger daybook_insert after insert on %s referencing new table as new_rows for each statement execute function daybook.%I()', partition.relation, capture);
      execute format('create or replace trigger daybook_update after update on %s referencing old table as old_rows new table as new_rows for each statement execute function daybook.%I()', partition.relation, capture);
      execute format('create or replace trigger daybook_delete after delete on %s referencing old table as old_rows for each statement execute function daybook.%I()', partition.relation, capture);
      execute format('create or replace trigger daybook_truncate before truncate on %s for each statement execute function daybook.%I()', partition.relation, capture);
      if (select relkind from pg_class where oid = partition.relation) = 'r' then
        execute format('create or replace trigger daybook_routed before insert on %s for each row when (false) execute function daybook.%I()', partition.relation, capture);
      end if;
    end loop;
  exception when others then
    raise warning 'Daybook could not capture this partition: %', sqlerrm using hint = 'Run daybook sync, or what is written into it directly is not recorded.';
  end $$;
  alter function daybook.follow_partitions() owner to current_user;

  -- Puts the row trigger on tables that were found to need one.
  create or replace function daybook.follow_triggers() returns event_trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '200ms'
  as $$
  declare
    captured record;
  begin
    for captured in
      select g.tgrelid::regclass as relation, f.proname as capture, r.proname as capture_row
      from pg_trigger g
      join pg_proc f on f.oid = g.tgfoid and f.pronamespace = 'daybook'::regnamespace
      join pg_proc r on r.pronamespace = f.pronamespace and r.proname = replace(f.proname, 'capture_', 'capture_row_')
      where g.tgname = 'daybook_insert'
    loop
      -- First, for the trigger that is made calls this once more.
      execute format('drop trigger daybook_insert on %s', captured.relation);
      execute format('drop trigger if exists daybook_update on %s', captured.relation);
      execute format('drop trigger if exists daybook_delete on %s', captured.relation);
      execute format('create or replace trigger "!daybook_row" after insert or update or delete on %s for each row execute function daybook.%I()', captured.relation, captured.capture_row);
    end loop;
  exception when others then
    raise warning 'Daybook could not follow this change: %', sqlerrm using hint = 'Run daybook sync, or entries may come in another order than the changes.';
  end $$;
  alter function daybook.follow_triggers() owner to current_user;

  for given in
    select p.oid::regprocedure as follow, case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as grantee
    from pg_proc p cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    where p.oid in ('daybook.follow_tables()'::regprocedure, 'daybook.follow_partitions()'::regprocedure, 'daybook.follow_triggers()'::regprocedure) and a.grantee <> p.proowner
  loop
    execute format('revoke all on function %s from %s cascade', given.follow, given.grantee);
  end loop;

  drop event trigger if exists daybook_follow_tables;
  drop event trigger if exists daybook_follow_drops;
  drop event trigger if exists daybook_follow_partitions;
  drop event trigger if exists daybook_follow_triggers;
  create event trigger daybook_follow_tables on ddl_command_end when tag in ('ALTER TABLE', 'ALTER TYPE', 'ALTER SCHEMA', 'CREATE TABLE', 'CREATE TRIGGER')
    execute function daybook.follow_tables();
  create event trigger daybook_follow_drops on sql_drop
    when tag in ('DROP TABLE', 'DROP SCHEMA', 'DROP TYPE', 'DROP DOMAIN', 'DROP EXTENSION', 'DROP OWNED') execute function daybook.follow_tables();
  create event trigger daybook_follow_partitions on ddl_command_end when tag in ('CREATE TABLE', 'ALTER TABLE') execute function daybook.follow_partitions();
  -- After daybook_follow_tables: event triggers fire in the order of their names.
  create event trigger daybook_follow_triggers on ddl_command_end when tag in ('ALTER TABLE', 'CREATE TABLE', 'CREATE TRIGGER') execute function daybook.follow_triggers();
end $install$;
