SELECT NULL::name, NULL::name, pg_catalog.getdatabaseencoding(),
       CASE WHEN pg_catalog.getdatabaseencoding() = 'UTF8' THEN 'UCS' ELSE pg_catalog.getdatabaseencoding() END,
       pg_catalog.getdatabaseencoding(), current_database(), n.nspname, c.collname
  FROM pg_catalog.pg_database d
  LEFT JOIN pg_catalog.pg_collation c ON c.collcollate = d.datcollate AND c.collctype = d.datctype
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
 WHERE d.datname = current_database()
