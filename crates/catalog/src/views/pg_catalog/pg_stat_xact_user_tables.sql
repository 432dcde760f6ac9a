SELECT s.relid, s.schemaname, s.relname, s.seq_scan, s.seq_tup_read, s.idx_scan, s.idx_tup_fetch, s.n_tup_ins,
       s.n_tup_upd, s.n_tup_del, s.n_tup_hot_upd
  FROM pg_catalog.pg_stat_xact_all_tables s
 WHERE s.schemaname NOT IN ('pg_catalog', 'information_schema') AND s.schemaname !~ '^pg_toast'
