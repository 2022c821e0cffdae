-- Ids go on after the highest in the log: a restore, or a change-over to a logical replica, may leave their sequence behind it.
do $$
begin
  if (select max(e.id) from daybook.entry e) > (select s.last_value from daybook.entry_id s) then
    -- Nobody takes a number meanwhile.
    lock table only daybook.entry in share row exclusive mode;
    perform setval('daybook.entry_id', max(e.id)) from daybook.entry e;
  end if;
end $$;
