SELECT current_database(), nt.nspname, t.typname, current_database(), n.nspname, c.relname, a.attname
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace nt ON nt.oid = t.typnamespace
  JOIN pg_catalog.pg_attribute a ON a.atttypid = t.oid
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE t.typtype = 'd' AND c.relkind IN ('r', 'v', 'f', 'p') AND a.attnum > 0 AND NOT a.attisdropped
   AND pg_catalog.pg_has_role(t.typowner, 'USAGE')
