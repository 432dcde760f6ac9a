SELECT s.relid, s.indexrelid, s.schemaname, s.relname, s.indexrelname, s.idx_blks_read, s.idx_blks_hit
  FROM pg_catalog.pg_statio_all_indexes s
 WHERE (s.schemaname IN ('pg_catalog', 'information_schema') OR s.schemaname ~ '^pg_toast')
