-- Writes an event of the application's own, in the caller's transaction, and gives the entry's id. The actor and the origin are the
-- context's. What only the capture may write (create, update, delete, truncate, purge, linked, unlinked, baseline, and whatever begins
-- with capture.) is refused.
create or replace function daybook.record(
  action text,
  outcome text default 'success',
  model text default null,
  object_id text default null,
  object_label text default null,
  related_model text default null,
  related_id text default null,
  related_label text default null,
  changes json default null,
  extra json default null)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if action is null or action !~ '^[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*)*$' or length(action) > 64 then
    raise exception using errcode = 'YD005', message = 'The action of an event is lower-case words joined by "." or "_", 64 characters at most.',
      hint = 'Such as invoice.approved.';
  elsif action in ('create', 'update', 'delete', 'truncate', 'purge', 'linked', 'unlinked', 'baseline') or action ~ '^capture([.]|$)' then
    raise exception using errcode = 'YD005', message = format('The action %s is written by the capture alone.', action),
      hint = 'Name what the application did, such as invoice.approved.';
  elsif outcome is null or outcome not in ('success', 'failure', 'denied') then
    raise exception using errcode = 'YD005', message = 'The outcome of an event is success, failure or denied.';
  elsif changes is not null and (json_typeof(changes) <> 'object'
      or exists (select from json_each(changes) c where json_typeof(c.value) <> 'array' or json_array_length(c.value) <> 2)) then
    raise exception using errcode = 'YD005', message = 'The changes of an event are an object of field: [old, new].';
  elsif octet_length(changes::text) > 1048576 or octet_length(extra::text) > 16384 then
    raise exception using errcode = 'YD005', message = 'The changes of an event take 1 MiB at most, its extra 16 KiB.';
  end if;

  return daybook.write_event(action, model, null, outcome, object_id, object_label, related_model, related_id, related_label, changes, extra);
end $$;

-- The entry of an event, or of what is done to the capture of a table; gives its id. `facts` are what Daybook itself adds to the context.
create or replace function daybook.write_event(
  action text,
  model text,
  table_name text default null,
  outcome text default 'success',
  object_id text default null,
  object_label text default null,
  related_model text default null,
  related_id text default null,
  related_label text default null,
  changes json default null,
  extra json default null,
  facts jsonb default '{}')
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  origin daybook.origin := daybook.current_origin();
  details jsonb := coalesce(origin.context, '{}') || facts;
  entry_id bigint;
begin
  if extra is not null then
    begin
      details := jsonb_set(details, '{extra}', case when jsonb_typeof(details -> 'extra') = 'object' and json_typeof(extra) = 'object'
        then (details -> 'extra') || extra::jsonb else extra::jsonb end);
    exception when others then
      details := jsonb_set(details, '{extra}', '{"$daybook": "unreadable"}');
    end;
  end if;
  insert into daybook.entry (recorded_at, action, outcome, actor_type, actor_id, ip_address, tenant_id, model, object_id, object_label,
    related_model, related_id, related_label, changes, changed_fields, transaction_id, table_name, actor_label, request_id, database_user, context)
  values (clock_timestamp(), action, nullif(outcome, 'success'), origin.actor_type, origin.actor_id, origin.ip_address, origin.tenant_id,
    left(model, 256), daybook.cap_key(object_id), left(object_label, 256), left(related_model, 256), daybook.cap_key(related_id),
    left(related_label, 256), changes::text, array(select json_object_keys(changes)),
    pg_current_xact_id(), table_name, origin.actor_label, origin.request_id, session_user,
    nullif(details, '{}')::text)
  returning id into entry_id;
  return entry_id;
end $$;
