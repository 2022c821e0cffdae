-- What the database itself sees of the writer, as it stands in an entry's context.
create or replace function daybook.seen_by_database() returns jsonb
language sql stable
as $$
  select case when inet_client_addr() is null and current_setting('application_name') = '' and current_setting('role') = 'none' then '{}'
    else jsonb_build_object('database', jsonb_strip_nulls(jsonb_build_object(
      'address', host(inet_client_addr()),
      'application', nullif(current_setting('application_name'), ''),
      'role', nullif(current_setting('role'), 'none')))) end
$$;

-- Who is writing, and from where: the request's context that came with the statement, beside what the database itself sees.
-- It never fails: a context that can't be read gives the actor type 'unknown'. Every write asks for it, so that what is usual is one
-- expression: each further one would have to be set up again in each transaction.
create or replace function daybook.current_origin() returns daybook.origin
language plpgsql stable
as $$
declare
  sent text := current_setting('daybook.context', true);
  read text := sent;
  parsed jsonb;
begin
  if sent is null or sent = '' then
    return row('database', session_user, session_user, null, null, null, session_user,
      nullif(daybook.seen_by_database(), '{}')::text)::daybook.origin;
  end if;
  loop
    begin
      parsed := case when octet_length(sent) <= 32768 then read::jsonb end;
      return case when jsonb_typeof(parsed) = 'object' then
        row(
          case coalesce(jsonb_typeof(parsed -> 'actor'), 'null')
            when 'null' then 'anonymous'
            when 'object' then case when coalesce(parsed #>> '{actor,type}', 'user') in ('user', 'service', 'job', 'database', 'anonymous')
              then coalesce(parsed #>> '{actor,type}', 'user') else 'unknown' end
            else 'unknown' end,
          left(parsed #>> '{actor,id}', 256),
          left(coalesce(parsed #>> '{actor,label}', parsed #>> '{actor,id}'), 256),
          (parsed ->> 'ip_address')::inet,
          left(parsed ->> 'request_id', 128),
          left(parsed ->> 'tenant_id', 128),
          session_user,
          nullif((parsed - '{actor,ip_address,request_id,tenant_id,database}'::text[]) || daybook.seen_by_database(), '{}')::text)::daybook.origin
      else
        row('unknown', null, null, null, null, null, session_user,
          (jsonb_build_object('unreadable', jsonb_build_object('bytes', octet_length(sent))) || daybook.seen_by_database())::text)::daybook.origin
      end;
    exception when others then
      -- The address, or else the whole.
      read := case when parsed is null then 'null' else (parsed || '{"ip_address": null, "ip_address_unreadable": true}')::text end;
    end;
  end loop;
end $$;
