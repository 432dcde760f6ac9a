SELECT current_database(), x.tblschema, x.tblname, x.colname, current_database(), x.cstrschema, x.cstrname
  FROM (SELECT DISTINCT n.nspname AS tblschema, c.relname AS tblname, c.relowner, a.attname AS colname, nc.nspname AS cstrschema,
               k.conname AS cstrname
          FROM pg_catalog.pg_constraint k
          JOIN pg_catalog.pg_namespace nc ON nc.oid = k.connamespace
          JOIN pg_catalog.pg_depend d ON d.classid = 2606 AND d.objid = k.oid AND d.refclassid = 1259
          JOIN pg_catalog.pg_class c ON c.oid = d.refobjid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
         WHERE k.contype = 'c' AND c.relkind IN ('r', 'p') AND NOT a.attisdropped
        UNION ALL
        SELECT n.nspname, c.relname, c.relowner, a.attname, nc.nspname, k.conname
          FROM pg_catalog.pg_constraint k
          JOIN pg_catalog.pg_namespace nc ON nc.oid = k.connamespace
          JOIN pg_catalog.pg_class c ON c.oid = CASE k.contype WHEN 'f' THEN k.confrelid ELSE k.conrelid END
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (CASE k.contype WHEN 'f' THEN k.confkey ELSE k.conkey END)
         WHERE k.contype IN ('p', 'u', 'f') AND c.relkind IN ('r', 'p') AND NOT a.attisdropped) x
 WHERE pg_catalog.pg_has_role(x.relowner, 'USAGE')
