-- What is counted of the server as a whole.
SELECT name FROM pg_stat_slru ORDER BY name COLLATE "C";
SELECT bool_and(stats_reset IS NOT NULL) FROM pg_stat_slru;
SELECT archived_count, last_archived_wal, failed_count, stats_reset IS NOT NULL AS reset FROM pg_stat_archiver;
SELECT checkpoints_timed >= 0, checkpoints_req >= 0, checkpoint_write_time >= 0, checkpoint_sync_time >= 0, buffers_checkpoint >= 0,
       buffers_clean >= 0, maxwritten_clean >= 0, buffers_backend >= 0, buffers_backend_fsync, buffers_alloc >= 0, stats_reset IS NOT NULL
  FROM pg_stat_bgwriter;
SELECT wal_records >= 0, wal_bytes >= 0, wal_buffers_full >= 0, wal_write >= 0, wal_sync >= 0, wal_write_time, wal_sync_time FROM pg_stat_wal;
SELECT stats_reset AS before FROM pg_stat_bgwriter \gset
SELECT pg_stat_reset_shared('bgwriter');
SELECT stats_reset > :'before' AS later FROM pg_stat_bgwriter;
SELECT stats_reset AS before FROM pg_stat_wal \gset
SELECT pg_stat_reset_shared('wal');
SELECT stats_reset > :'before' AS later FROM pg_stat_wal;
SELECT pg_stat_reset_shared('archiver');
SELECT pg_stat_reset_shared('recovery_prefetch');
SELECT pg_stat_reset_shared('checkpointer');
SELECT stats_reset AS before FROM pg_stat_slru WHERE name = 'Xact' \gset
SELECT pg_stat_reset_slru('Xact');
SELECT name, stats_reset > :'before' AS later FROM pg_stat_slru WHERE name IN ('Xact', 'Subtrans') ORDER BY name;
SELECT pg_stat_reset_slru('nothing of the kind');
SELECT pg_stat_reset_slru(NULL);
CREATE ROLE server_statistics_user;
SET ROLE server_statistics_user;
SELECT pg_stat_reset_shared('wal');
SELECT pg_stat_reset_slru('Xact');
SELECT count(*) FROM pg_stat_bgwriter;
RESET ROLE;
DROP ROLE server_statistics_user;
SHOW log_checkpoints;
SET log_checkpoints = off;
