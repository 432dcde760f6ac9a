SELECT current_database(), x.nspname, x.relname, x.attname, x.attnum, NULL::text, CASE WHEN x.attnotnull THEN 'NO' ELSE 'YES' END, x.data_type,
       CASE WHEN x.typmod = -1 THEN NULL WHEN x.typid IN (1042, 1043) THEN x.typmod - 4 WHEN x.typid IN (1560, 1562) THEN x.typmod END,
       CASE WHEN x.typid IN (25, 1042, 1043) THEN CASE WHEN x.typmod = -1 THEN 1073741824 ELSE 4 * (x.typmod - 4) END END,
       NULL::name, NULL::name, NULL::name,
       CASE WHEN x.nspcoll IS NOT NULL THEN current_database() END, x.nspcoll, x.collname,
       CASE x.typid WHEN 21 THEN 16 WHEN 23 THEN 32 WHEN 20 THEN 64 WHEN 700 THEN 24 WHEN 701 THEN 53
            WHEN 1700 THEN CASE WHEN x.typmod <> -1 THEN ((x.typmod - 4) >> 16) & 65535 END END,
       CASE WHEN x.typid IN (20, 21, 23, 700, 701) THEN 2 WHEN x.typid = 1700 THEN 10 END,
       CASE WHEN x.typid IN (20, 21, 23) THEN 0 WHEN x.typid = 1700 AND x.typmod <> -1 THEN (x.typmod - 4) & 65535 END,
       CASE WHEN x.typid = 1082 THEN 0 WHEN x.typid IN (1083, 1114, 1184, 1266) THEN CASE WHEN x.typmod < 0 THEN 6 ELSE x.typmod END
            WHEN x.typid = 1186 THEN CASE WHEN x.typmod < 0 OR x.typmod & 65535 = 65535 THEN 6 ELSE x.typmod & 65535 END END,
       CASE WHEN x.typid = 1186 THEN upper(substring(pg_catalog.format_type(x.typid, x.typmod) FROM '^interval +([a-z].*)$')) END,
       NULL::int,
       current_database(), x.nspbase, x.basename, NULL::name, NULL::name, NULL::name, NULL::int, x.attnum::text, 'NO'
  FROM (SELECT c.relname, n.nspname, a.attname, a.attnum, a.attnotnull OR t.typtype = 'd' AND t.typnotnull AS attnotnull,
               b.oid AS typid, b.typname AS basename, nb.nspname AS nspbase,
               CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END AS typmod,
               CASE WHEN b.typelem <> 0 AND b.typlen = -1 THEN 'ARRAY' WHEN nb.nspname = 'pg_catalog' THEN pg_catalog.format_type(b.oid, NULL)
            ELSE 'USER-DEFINED' END AS data_type, co.collname, nc.nspname AS nspcoll
          FROM pg_catalog.pg_attribute a
          JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
          JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
          JOIN pg_catalog.pg_namespace nb ON nb.oid = b.typnamespace
          LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation AND co.collname <> 'default'
          LEFT JOIN pg_catalog.pg_namespace nc ON nc.oid = co.collnamespace
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind = 'c'
           AND (pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.has_type_privilege(c.reltype, 'USAGE'))) x
