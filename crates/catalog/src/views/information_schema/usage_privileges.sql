SELECT o.rolname, 'PUBLIC'::name, current_database(), n.nspname, c.collname, 'COLLATION', 'USAGE', 'NO'
  FROM pg_catalog.pg_collation c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
  JOIN pg_catalog.pg_authid o ON o.oid = c.collowner
 WHERE c.collencoding IN (-1, 6)
UNION ALL
SELECT o.rolname, e.rolname, current_database(), n.nspname, t.typname, 'DOMAIN', 'USAGE',
       CASE WHEN g.is_grantable OR pg_catalog.pg_has_role(e.oid, t.typowner, 'USAGE') THEN 'YES' ELSE 'NO' END
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(t.typacl, pg_catalog.acldefault('T', t.typowner))) g
  JOIN pg_catalog.pg_authid o ON o.oid = g.grantor
  JOIN (SELECT r.oid, r.rolname FROM pg_catalog.pg_authid r UNION ALL SELECT 0::oid, 'PUBLIC'::name) e ON e.oid = g.grantee
 WHERE t.typtype = 'd' AND g.privilege_type = 'USAGE'
   AND (pg_catalog.pg_has_role(o.oid, 'USAGE') OR pg_catalog.pg_has_role(e.oid, 'USAGE') OR e.rolname = 'PUBLIC')
UNION ALL
SELECT o.rolname, e.rolname, current_database(), n.nspname, c.relname, 'SEQUENCE', 'USAGE',
       CASE WHEN g.is_grantable OR pg_catalog.pg_has_role(e.oid, c.relowner, 'USAGE') THEN 'YES' ELSE 'NO' END
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('s', c.relowner))) g
  JOIN pg_catalog.pg_authid o ON o.oid = g.grantor
  JOIN (SELECT r.oid, r.rolname FROM pg_catalog.pg_authid r UNION ALL SELECT 0::oid, 'PUBLIC'::name) e ON e.oid = g.grantee
 WHERE c.relkind = 'S' AND g.privilege_type = 'USAGE'
   AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 1259 AND d.objid = c.oid AND d.deptype = 'i')
   AND (pg_catalog.pg_has_role(o.oid, 'USAGE') OR pg_catalog.pg_has_role(e.oid, 'USAGE') OR e.rolname = 'PUBLIC')
