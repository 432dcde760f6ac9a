SELECT a.archived_count, a.last_archived_wal, a.last_archived_time, a.failed_count, a.last_failed_wal, a.last_failed_time, a.stats_reset
  FROM pg_catalog.pg_stat_get_archiver() a
