SELECT current_database(), nb.nspname, b.typname, current_database(), n.nspname, t.typname
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
  JOIN pg_catalog.pg_namespace nb ON nb.oid = b.typnamespace
 WHERE t.typtype = 'd' AND pg_catalog.pg_has_role(b.typowner, 'USAGE')
