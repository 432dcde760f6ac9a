SELECT current_database(), n.nspname, t.typname,
       CASE WHEN b.typelem <> 0 AND b.typlen = -1 THEN 'ARRAY' WHEN nb.nspname = 'pg_catalog' THEN pg_catalog.format_type(b.oid, NULL)
            ELSE 'USER-DEFINED' END,
       CASE WHEN t.typtypmod = -1 THEN NULL WHEN t.typbasetype IN (1042, 1043) THEN t.typtypmod - 4 WHEN t.typbasetype IN (1560, 1562) THEN t.typtypmod END,
       CASE WHEN t.typbasetype IN (25, 1042, 1043) THEN CASE WHEN t.typtypmod = -1 THEN 1073741824 ELSE 4 * (t.typtypmod - 4) END END,
       NULL::name, NULL::name, NULL::name,
       CASE WHEN nc.nspname IS NOT NULL THEN current_database() END, nc.nspname, co.collname,
       CASE t.typbasetype WHEN 21 THEN 16 WHEN 23 THEN 32 WHEN 20 THEN 64 WHEN 700 THEN 24 WHEN 701 THEN 53
            WHEN 1700 THEN CASE WHEN t.typtypmod <> -1 THEN ((t.typtypmod - 4) >> 16) & 65535 END END,
       CASE WHEN t.typbasetype IN (20, 21, 23, 700, 701) THEN 2 WHEN t.typbasetype = 1700 THEN 10 END,
       CASE WHEN t.typbasetype IN (20, 21, 23) THEN 0 WHEN t.typbasetype = 1700 AND t.typtypmod <> -1 THEN (t.typtypmod - 4) & 65535 END,
       CASE WHEN t.typbasetype = 1082 THEN 0 WHEN t.typbasetype IN (1083, 1114, 1184, 1266) THEN CASE WHEN t.typtypmod < 0 THEN 6 ELSE t.typtypmod END
            WHEN t.typbasetype = 1186 THEN CASE WHEN t.typtypmod < 0 OR t.typtypmod & 65535 = 65535 THEN 6 ELSE t.typtypmod & 65535 END END,
       CASE WHEN t.typbasetype = 1186 THEN upper(substring(pg_catalog.format_type(t.typbasetype, t.typtypmod) FROM '^interval +([a-z].*)$')) END,
       NULL::int,
       t.typdefault, current_database(), nb.nspname, b.typname, NULL::name, NULL::name, NULL::name, NULL::int, '1'
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
  JOIN pg_catalog.pg_namespace nb ON nb.oid = b.typnamespace
  LEFT JOIN pg_catalog.pg_collation co ON co.oid = t.typcollation AND co.collname <> 'default'
  LEFT JOIN pg_catalog.pg_namespace nc ON nc.oid = co.collnamespace
 WHERE t.typtype = 'd' AND (pg_catalog.pg_has_role(t.typowner, 'USAGE') OR pg_catalog.has_type_privilege(t.oid, 'USAGE'))
