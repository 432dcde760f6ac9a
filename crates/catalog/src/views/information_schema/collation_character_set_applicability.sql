SELECT current_database(), n.nspname, c.collname, NULL::name, NULL::name, pg_catalog.getdatabaseencoding()
  FROM pg_catalog.pg_collation c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
 WHERE c.collencoding IN (-1, 6)
