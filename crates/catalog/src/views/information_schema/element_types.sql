SELECT current_database(), x.nspname, x.objname, x.objtype, x.dtd, 
       CASE WHEN ne.nspname = 'pg_catalog' THEN pg_catalog.format_type(e.oid, NULL) ELSE 'USER-DEFINED' END,
       NULL::int, NULL::int, NULL::name, NULL::name, NULL::name, CASE WHEN nc.nspname IS NOT NULL THEN current_database() END, nc.nspname, co.collname,
       NULL::int, NULL::int, NULL::int, NULL::int, NULL::text, NULL::int, NULL::text, current_database(), ne.nspname, e.typname, NULL::name, NULL::name, NULL::name, NULL::int, ('a' || x.dtd)::name
  FROM (SELECT n.nspname, c.relname AS objname, CASE WHEN c.relkind = 'c' THEN 'USER-DEFINED TYPE' ELSE 'TABLE' END AS objtype,
               a.attnum::text AS dtd, a.atttypid AS typid, a.attcollation AS coll
          FROM pg_catalog.pg_attribute a
          JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'f', 'c', 'p')
           AND (pg_catalog.pg_has_role(c.relowner, 'USAGE')
                OR pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT, INSERT, UPDATE, REFERENCES'))
        UNION ALL
        SELECT n.nspname, t.typname, 'DOMAIN', '1', t.typbasetype, t.typcollation
          FROM pg_catalog.pg_type t
          JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
         WHERE t.typtype = 'd'
        UNION ALL
        SELECT n.nspname, (p.proname::text || '_' || p.oid::text)::name, 'ROUTINE', u.n::text, u.typid, 0::oid
          FROM pg_catalog.pg_proc p
          JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
         CROSS JOIN LATERAL unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY AS u(typid, n)
        UNION ALL
        SELECT n.nspname, (p.proname::text || '_' || p.oid::text)::name, 'ROUTINE', '0', p.prorettype, 0::oid
          FROM pg_catalog.pg_proc p
          JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace) x
  JOIN pg_catalog.pg_type t ON t.oid = x.typid AND t.typelem <> 0 AND t.typlen = -1
  JOIN pg_catalog.pg_type e ON e.oid = t.typelem
  JOIN pg_catalog.pg_namespace ne ON ne.oid = e.typnamespace
  LEFT JOIN pg_catalog.pg_collation co ON co.oid = x.coll AND co.collname <> 'default'
  LEFT JOIN pg_catalog.pg_namespace nc ON nc.oid = co.collnamespace
