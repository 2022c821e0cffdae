-- Who may do what. The application's role may run the recording function and keep months ahead; readers may read; nobody else anything.
revoke all on schema daybook from public;
grant usage on schema daybook to daybook_writer, daybook_reader;
revoke all on all tables in schema daybook from public, daybook_writer, daybook_reader;
revoke all on all sequences in schema daybook from public, daybook_writer, daybook_reader;
revoke all on all functions in schema daybook from public, daybook_writer, daybook_reader;
grant execute on function daybook.record, daybook.ensure_months to daybook_writer;
grant select on daybook.entries, daybook.entry, daybook.tracked_table, daybook.migration to daybook_reader;
