-- Who is writing, and from where: the request's context that came with the statement. What the database itself sees of the writer are the
-- defaults of columns of daybook.entry.
-- Daybook's clients send the text of a row of daybook.origin, and the capture functions read it as one. Whatever else is in the setting is
-- read here: JSON, as others may send it, or nothing. It never fails: a context that can't be read gives the actor type 'unknown'.
create or replace function daybook.current_origin() returns daybook.origin
language plpgsql stable
as $$
declare
  sent text := current_setting('daybook.context', true);
  parsed jsonb;
  known daybook.sent_context;
begin
  if sent is null or sent = '' then
    return row('database', session_user, session_user, null, null, null, null)::daybook.origin;
  elsif octet_length(sent) > 32768 then
    return daybook.odd_origin(sent, null);
  end if;
  begin
    if left(sent, 1) = '(' then
      return sent::daybook.origin;
    end if;
    parsed := sent::jsonb;
    known := jsonb_populate_record(null::daybook.sent_context, parsed);
    return row(
      case
        when known.actor is not distinct from null then 'anonymous'
        when (known.actor).type is null then 'user'
        when (known.actor).type in ('user', 'service', 'job', 'database', 'anonymous') then (known.actor).type
        else 'unknown' end,
      (known.actor).id, coalesce((known.actor).label, (known.actor).id), known.ip_address, known.request_id, known.tenant_id,
      nullif(parsed - '{actor,ip_address,request_id,tenant_id,database}'::text[], '{}'))::daybook.origin;
  exception when others then
    return daybook.odd_origin(sent, parsed);
  end;
end $$;

-- The same of a context that is not as it should be: what can be read of it.
create or replace function daybook.odd_origin(sent text, parsed jsonb) returns daybook.origin
language plpgsql stable
as $$
declare
  actor jsonb := parsed -> 'actor';
  address inet;
  rest jsonb;
begin
  if parsed is null or jsonb_typeof(parsed) <> 'object' then
    return row('unknown', null, null, null, null, null,
      jsonb_build_object('unreadable', jsonb_build_object('bytes', octet_length(sent))))::daybook.origin;
  end if;
  rest := parsed - '{actor,ip_address,request_id,tenant_id,database}'::text[];
  begin
    address := parsed ->> 'ip_address';
  exception when others then
    rest := rest || '{"ip_address_unreadable": true}';
  end;
  return row(
    case
      when coalesce(jsonb_typeof(actor), 'null') = 'null' then 'anonymous'
      when jsonb_typeof(actor) = 'object' and coalesce(actor ->> 'type', 'user') in ('user', 'service', 'job', 'database', 'anonymous')
        then coalesce(actor ->> 'type', 'user')
      else 'unknown' end,
    left(actor ->> 'id', 256), left(coalesce(actor ->> 'label', actor ->> 'id'), 256), address,
    left(parsed ->> 'request_id', 128), left(parsed ->> 'tenant_id', 128), nullif(rest, '{}'))::daybook.origin;
end $$;

-- What the capture functions begin with: the origin as it usually comes, in `origin`, read where it stands. A call of current_origin()
-- would cost as much again.
create or replace function daybook.read_origin_sql() returns text
language sql immutable
as $$
  select $body$
  if left(sent, 1) = '(' and octet_length(sent) <= 32768 then
    begin
      origin := sent::daybook.origin;
    exception when others then
      origin := daybook.current_origin();
    end;
  else
    origin := daybook.current_origin();
  end if;$body$
$$;
