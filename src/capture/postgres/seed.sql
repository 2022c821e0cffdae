-- Puts made-up entries into the log, in their order. $1 is a JSON array of them: `place` counts from 1, `first` is the place of the
-- first entry of the same statement. Run as the role daybook_owner.
with given as materialized (
  select * from json_to_recordset($1::json) as g (
    place int, first int, recorded_at timestamptz, ip_address inet, action text, outcome text, actor_type text, actor_id text,
    model text, object_id text, object_label text, related_model text, related_id text, related_label text, changes text,
    changed_fields text[], transaction_id xid8, table_name text, actor_label text, request_id text, database_user text, context text)
),
numbered as materialized (
  select place, nextval('daybook.entry_id') as id from generate_series(1, json_array_length($1::json)) place
)
insert into daybook.entry (id, recorded_at, statement_id, ip_address, action, outcome, actor_type, actor_id, model, object_id,
  object_label, related_model, related_id, related_label, changes, changed_fields, transaction_id, table_name, actor_label, request_id,
  database_user, context, database_address, database_application, database_role)
select n.id, g.recorded_at, f.id, g.ip_address, g.action, g.outcome, g.actor_type, g.actor_id, g.model, g.object_id,
  g.object_label, g.related_model, g.related_id, g.related_label, g.changes, g.changed_fields, g.transaction_id, g.table_name,
  g.actor_label, g.request_id, g.database_user, g.context, null, null, null
from given g
join numbered n on n.place = g.place
left join numbered f on f.place = g.first and g.first <> g.place
order by g.place
