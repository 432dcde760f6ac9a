SELECT p.stats_reset, p.prefetch, p.hit, p.skip_init, p.skip_new, p.skip_fpw, p.skip_rep, p.wal_distance, p.block_distance, p.io_depth
  FROM pg_catalog.pg_stat_get_recovery_prefetch() p
