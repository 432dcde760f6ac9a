SELECT w.pid, w.status, w.receive_start_lsn, w.receive_start_tli, w.written_lsn, w.flushed_lsn, w.received_tli, w.last_msg_send_time,
       w.last_msg_receipt_time, w.latest_end_lsn, w.latest_end_time, w.slot_name, w.sender_host, w.sender_port, w.conninfo
  FROM pg_catalog.pg_stat_get_wal_receiver() w
 WHERE w.pid IS NOT NULL
