SELECT o.rolname, e.rolname, current_database(), n.nspname, c.relname, g.privilege_type,
       CASE WHEN g.is_grantable OR pg_catalog.pg_has_role(e.oid, c.relowner, 'USAGE') THEN 'YES' ELSE 'NO' END,
       CASE WHEN g.privilege_type = 'SELECT' THEN 'YES' ELSE 'NO' END
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) g
  JOIN pg_catalog.pg_authid o ON o.oid = g.grantor
  JOIN (SELECT r.oid, r.rolname FROM pg_catalog.pg_authid r UNION ALL SELECT 0::oid, 'PUBLIC'::name) e ON e.oid = g.grantee
 WHERE c.relkind IN ('r', 'v', 'f', 'p')
   AND g.privilege_type IN ('INSERT', 'SELECT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER')
   AND (pg_catalog.pg_has_role(o.oid, 'USAGE') OR pg_catalog.pg_has_role(e.oid, 'USAGE') OR e.rolname = 'PUBLIC')
