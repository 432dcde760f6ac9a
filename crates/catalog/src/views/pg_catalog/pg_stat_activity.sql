SELECT a.datid, d.datname, a.pid, a.leader_pid, a.usesysid, u.rolname AS usename, a.application_name, a.client_addr, a.client_hostname,
       a.client_port, a.backend_start, a.xact_start, a.query_start, a.state_change, a.wait_event_type, a.wait_event, a.state,
       a.backend_xid, a.backend_xmin, a.query_id, a.query, a.backend_type
  FROM pg_catalog.pg_stat_get_activity(NULL) a
  LEFT JOIN pg_catalog.pg_database d ON d.oid = a.datid
  LEFT JOIN pg_catalog.pg_authid u ON u.oid = a.usesysid
