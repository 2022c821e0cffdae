-- The public read surface. Columns are only ever added, at the end.
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
  e.changes::json as changes,
  coalesce(e.changed_fields, s.changed_fields, '{}') as changed_fields,
  case when e.statement_id is null then e.database_user else s.database_user end as database_user,
  (case when e.statement_id is null then e.context else s.context end)::json as context
from daybook.entry e
left join daybook.entry s on s.id = e.statement_id and s.recorded_at = e.recorded_at;

comment on view daybook.entries is 'The log, one line an entry: a change of one row, or an event. Order by id.';
