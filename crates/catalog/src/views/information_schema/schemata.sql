SELECT current_database(), n.nspname, r.rolname, NULL::name, NULL::name, NULL::name, NULL::text
  FROM pg_catalog.pg_namespace n
  JOIN pg_catalog.pg_authid r ON r.oid = n.nspowner
 WHERE pg_catalog.pg_has_role(n.nspowner, 'USAGE') OR pg_catalog.has_schema_privilege(n.oid, 'CREATE, USAGE')
