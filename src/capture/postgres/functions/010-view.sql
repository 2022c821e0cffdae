-- The public read surface. Columns are only ever added, at the end.
--
-- `changes` is stored in three forms. An object is what it says. An array beside field names is the values of a create or a delete, in
-- the order of the fields, whose names stand once a statement. An array alone is an update's: each field's name, old and new. They are
-- taken apart by json_array_elements, which does not look into the texts: some that json accepts could not be unescaped.
create or replace view daybook.entries as
select
  e.id,
  e.recorded_at,
  case when e.statement_id is null then e.transaction_id else s.transaction_id end as transaction_id,
  coalesce(e.statement_id, e.id) as statement_id,
  e.action,
  coalesce(e.outcome, 'success') as outcome,
  e.actor_type,
  e.actor_id,
  case when e.statement_id is null then e.actor_label else s.actor_label end as actor_label,
  e.ip_address,
  case when e.statement_id is null then e.request_id else s.request_id end as request_id,
  e.tenant_id,
  e.model,
  case when e.statement_id is null then e.table_name else s.table_name end as table_name,
  e.object_id,
  e.object_label,
  e.previous_object_id,
  e.related_model,
  e.related_id,
  e.related_label,
  (case
    when e.changes is null or e.changes not like '[%' then e.changes
    when coalesce(e.changed_fields, s.changed_fields) is not null then (
      select '{' || coalesce(string_agg(to_json(f.name) || case when e.action in ('delete', 'unlinked', 'permission_revoked')
        then ':[' || v.value || ',null]' else ':[null,' || v.value || ']' end, ',' order by v.place), '') || '}'
      from json_array_elements(e.changes::json) with ordinality v (value, place)
      join unnest(coalesce(e.changed_fields, s.changed_fields)) with ordinality f (name, place) on f.place = v.place)
    else (
      select '{' || coalesce(string_agg(c.parts[1] || ':[' || c.parts[2] || ',' || c.parts[3] || ']', ',' order by c.place), '') || '}'
      from (select v.place, array(select p.value::text from json_array_elements(v.value) with ordinality p (value, place) order by p.place) as parts
        from json_array_elements(e.changes::json) with ordinality v (value, place)) c)
  end)::json as changes,
  case
    when coalesce(e.changed_fields, s.changed_fields) is not null then coalesce(e.changed_fields, s.changed_fields)
    when e.changes like '[%' then array(select (select p.value #>> '{}' from json_array_elements(v.value) p (value) limit 1) from json_array_elements(e.changes::json) with ordinality v (value, place) order by v.place)
    else '{}' end as changed_fields,
  case when e.statement_id is null then e.database_user else s.database_user end as database_user,
  (case when num_nonnulls(w.database_address, w.database_application, w.database_role) = 0 then w.context
    else (coalesce(w.context::jsonb, '{}') || jsonb_build_object('database', jsonb_strip_nulls(jsonb_build_object(
      'address', host(w.database_address), 'application', w.database_application, 'role', w.database_role))))::text end)::json as context
from daybook.entry e
left join daybook.entry s on s.id = e.statement_id and s.recorded_at = e.recorded_at
cross join lateral (select
  case when e.statement_id is null then e.context else s.context end as context,
  case when e.statement_id is null then e.database_address else s.database_address end as database_address,
  case when e.statement_id is null then e.database_application else s.database_application end as database_application,
  case when e.statement_id is null then e.database_role else s.database_role end as database_role) w;

comment on view daybook.entries is 'The log, one line an entry: a change of one row, or an event. Order by id.';
