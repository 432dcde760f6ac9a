SELECT current_database(), nc.nspname, k.conname, current_database(), n.nspname, c.relname, a.attname, u.position::int,
       CASE WHEN k.contype = 'f' THEN (
            SELECT p.n::int FROM pg_catalog.pg_index i, unnest(i.indkey) WITH ORDINALITY AS p(attnum, n)
             WHERE i.indexrelid = k.conindid AND p.attnum = k.confkey[u.position::int]) END
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_namespace nc ON nc.oid = k.connamespace
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL unnest(k.conkey) WITH ORDINALITY AS u(attnum, position)
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.attnum
 WHERE k.contype IN ('p', 'u', 'f') AND c.relkind IN ('r', 'p') AND NOT a.attisdropped
   AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
   AND (pg_catalog.pg_has_role(c.relowner, 'USAGE')
        OR pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT, INSERT, UPDATE, REFERENCES'))
