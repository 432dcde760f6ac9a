SELECT o.local_id, o.external_id, o.remote_lsn, o.local_lsn FROM pg_catalog.pg_show_replication_origin_status() o
