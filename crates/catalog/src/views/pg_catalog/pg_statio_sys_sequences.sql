SELECT s.relid, s.schemaname, s.relname, s.blks_read, s.blks_hit
  FROM pg_catalog.pg_statio_all_sequences s
 WHERE (s.schemaname IN ('pg_catalog', 'information_schema') OR s.schemaname ~ '^pg_toast')
