SELECT current_database(), n.nspname, c.relname, 'STRUCTURED', 'YES', NULL::text, NULL::text, NULL::text, NULL::name, NULL::name, NULL::name, NULL::text, NULL::text,
       NULL::int, NULL::int, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::int, NULL::int, NULL::int, NULL::int, NULL::text, NULL::int, NULL::name, NULL::name
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_type t ON t.oid = c.reltype
 WHERE c.relkind = 'c' AND (pg_catalog.pg_has_role(t.typowner, 'USAGE') OR pg_catalog.has_type_privilege(t.oid, 'USAGE'))
