-- Who is writing, and from where: the request's context that came with the statement, beside what the database itself sees.
-- It never fails: a context that can't be read gives the actor type 'unknown'.
create or replace function daybook.read_origin(
  out actor_type text, out actor_id text, out actor_label text, out ip_address inet, out request_id text, out tenant_id text,
  out database_user text, out context text)
language plpgsql stable
as $$
declare
  given text := current_setting('daybook.context', true);
  parsed jsonb;
  actor jsonb;
  seen jsonb := jsonb_strip_nulls(jsonb_build_object(
    'address', host(inet_client_addr()),
    'application', nullif(current_setting('application_name'), ''),
    'role', nullif(current_setting('role'), 'none')));
begin
  database_user := session_user;
  if given is null or given = '' then
    actor_type := 'database';
    actor_id := session_user;
    actor_label := session_user;
    context := case when seen <> '{}' then jsonb_build_object('database', seen)::text end;
    return;
  end if;

  begin
    if octet_length(given) <= 32768 then
      parsed := given::jsonb;
      ip_address := (parsed ->> 'ip_address')::inet;
    end if;
  exception when others then
    begin
      parsed := given::jsonb || '{"ip_address_unreadable": true}';
    exception when others then
      parsed := null;
    end;
  end;
  if parsed is null or jsonb_typeof(parsed) <> 'object' then
    actor_type := 'unknown';
    ip_address := null;
    context := jsonb_build_object('database', seen, 'unreadable', jsonb_build_object('bytes', octet_length(given)))::text;
    return;
  end if;

  actor := parsed -> 'actor';
  if jsonb_typeof(actor) = 'object' then
    actor_type := coalesce(actor ->> 'type', 'user');
    if actor_type not in ('user', 'service', 'job', 'database', 'anonymous') then
      actor_type := 'unknown';
    end if;
    actor_id := left(actor ->> 'id', 256);
    actor_label := left(coalesce(actor ->> 'label', actor ->> 'id'), 256);
  else
    actor_type := case when coalesce(jsonb_typeof(actor), 'null') = 'null' then 'anonymous' else 'unknown' end;
  end if;
  request_id := left(parsed ->> 'request_id', 128);
  tenant_id := left(parsed ->> 'tenant_id', 128);
  parsed := parsed - '{actor,ip_address,request_id,tenant_id,database}'::text[];
  if seen <> '{}' then
    parsed := parsed || jsonb_build_object('database', seen);
  end if;
  context := nullif(parsed, '{}')::text;
end $$;
