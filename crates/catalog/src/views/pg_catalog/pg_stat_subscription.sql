SELECT s.oid AS subid, s.subname, t.pid, t.relid, t.received_lsn, t.last_msg_send_time, t.last_msg_receipt_time, t.latest_end_lsn,
       t.latest_end_time
  FROM pg_catalog.pg_subscription s
  LEFT JOIN pg_catalog.pg_stat_get_subscription(NULL) t ON t.subid = s.oid
