SELECT o.rolname, e.rolname, current_database(), n.nspname, (p.proname::text || '_' || p.oid::text)::name, current_database(), n.nspname, p.proname, 'EXECUTE',
       CASE WHEN g.is_grantable OR pg_catalog.pg_has_role(e.oid, p.proowner, 'USAGE') THEN 'YES' ELSE 'NO' END
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) g
  JOIN pg_catalog.pg_authid o ON o.oid = g.grantor
  JOIN (SELECT r.oid, r.rolname FROM pg_catalog.pg_authid r UNION ALL SELECT 0::oid, 'PUBLIC'::name) e ON e.oid = g.grantee
 WHERE g.privilege_type = 'EXECUTE'
   AND (pg_catalog.pg_has_role(o.oid, 'USAGE') OR pg_catalog.pg_has_role(e.oid, 'USAGE') OR e.rolname = 'PUBLIC')
