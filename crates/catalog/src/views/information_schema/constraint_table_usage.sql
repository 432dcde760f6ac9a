SELECT current_database(), n.nspname, c.relname, current_database(), nc.nspname, k.conname
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_namespace nc ON nc.oid = k.connamespace
  JOIN pg_catalog.pg_class c ON c.oid = CASE k.contype WHEN 'f' THEN k.confrelid ELSE k.conrelid END
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype IN ('p', 'u', 'f') AND c.relkind IN ('r', 'p') AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
