SELECT current_database(), n.nspname, t.tgname, ev.word, current_database(), n.nspname, c.relname,
       rank() OVER (PARTITION BY n.nspname, c.relname, ev.num, t.tgtype & 1, t.tgtype & 66 ORDER BY t.tgname)::int,
       NULL::text,
       substring(pg_catalog.pg_get_triggerdef(t.oid) FROM position('EXECUTE FUNCTION' IN pg_catalog.pg_get_triggerdef(t.oid))),
       CASE t.tgtype & 1 WHEN 1 THEN 'ROW' ELSE 'STATEMENT' END,
       CASE t.tgtype & 66 WHEN 2 THEN 'BEFORE' WHEN 64 THEN 'INSTEAD OF' ELSE 'AFTER' END,
       t.tgoldtable, t.tgnewtable, NULL::name, NULL::name, NULL::timestamptz
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN (VALUES (4, 'INSERT'), (8, 'DELETE'), (16, 'UPDATE')) AS ev(num, word) ON t.tgtype & ev.num <> 0
 WHERE NOT t.tgisinternal AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
   AND (pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE, REFERENCES'))
