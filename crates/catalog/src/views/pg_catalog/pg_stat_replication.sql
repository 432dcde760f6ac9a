SELECT a.pid, a.usesysid, u.rolname AS usename, a.application_name, a.client_addr, a.client_hostname, a.client_port, a.backend_start,
       a.backend_xmin, w.state, w.sent_lsn, w.write_lsn, w.flush_lsn, w.replay_lsn, w.write_lag, w.flush_lag, w.replay_lag,
       w.sync_priority, w.sync_state, w.reply_time
  FROM pg_catalog.pg_stat_get_activity(NULL) a
  JOIN pg_catalog.pg_stat_get_wal_senders() w ON w.pid = a.pid
  LEFT JOIN pg_catalog.pg_authid u ON u.oid = a.usesysid
