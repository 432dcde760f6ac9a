SELECT o.rolname, e.rolname, current_database(), x.nspname, x.relname, x.attname, x.prtype,
       CASE WHEN x.grantable OR pg_catalog.pg_has_role(e.oid, x.relowner, 'USAGE') THEN 'YES' ELSE 'NO' END
  FROM (SELECT g.grantor, g.grantee, n.nspname, c.relname, a.attname, g.privilege_type AS prtype, g.is_grantable AS grantable, c.relowner
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
         CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) g
         WHERE c.relkind IN ('r', 'v', 'f', 'p') AND a.attnum > 0 AND NOT a.attisdropped
        UNION
        SELECT g.grantor, g.grantee, n.nspname, c.relname, a.attname, g.privilege_type, g.is_grantable, c.relowner
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
         CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(a.attacl, pg_catalog.acldefault('c', c.relowner))) g
         WHERE c.relkind IN ('r', 'v', 'f', 'p') AND a.attnum > 0 AND NOT a.attisdropped) x
  JOIN pg_catalog.pg_authid o ON o.oid = x.grantor
  JOIN (SELECT r.oid, r.rolname FROM pg_catalog.pg_authid r UNION ALL SELECT 0::oid, 'PUBLIC'::name) e ON e.oid = x.grantee
 WHERE x.prtype IN ('INSERT', 'SELECT', 'UPDATE', 'REFERENCES')
   AND (pg_catalog.pg_has_role(o.oid, 'USAGE') OR pg_catalog.pg_has_role(e.oid, 'USAGE') OR e.rolname = 'PUBLIC')
