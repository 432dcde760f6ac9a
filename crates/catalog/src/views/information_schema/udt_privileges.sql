SELECT o.rolname, e.rolname, current_database(), n.nspname, t.typname, 'TYPE USAGE',
       CASE WHEN g.is_grantable OR pg_catalog.pg_has_role(e.oid, t.typowner, 'USAGE') THEN 'YES' ELSE 'NO' END
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(t.typacl, pg_catalog.acldefault('T', t.typowner))) g
  JOIN pg_catalog.pg_authid o ON o.oid = g.grantor
  JOIN (SELECT r.oid, r.rolname FROM pg_catalog.pg_authid r UNION ALL SELECT 0::oid, 'PUBLIC'::name) e ON e.oid = g.grantee
 WHERE t.typtype = 'c' AND g.privilege_type = 'USAGE'
   AND (pg_catalog.pg_has_role(o.oid, 'USAGE') OR pg_catalog.pg_has_role(e.oid, 'USAGE') OR e.rolname = 'PUBLIC')
