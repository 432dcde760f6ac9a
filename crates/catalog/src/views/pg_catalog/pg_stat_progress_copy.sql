SELECT p.pid,
       p.datid,
       d.datname,
       p.relid,
       CASE p.param5 WHEN 1 THEN 'COPY FROM'::text WHEN 2 THEN 'COPY TO' END AS command,
       CASE p.param6 WHEN 1 THEN 'FILE'::text WHEN 2 THEN 'PROGRAM' WHEN 3 THEN 'PIPE' WHEN 4 THEN 'CALLBACK' END AS type,
       p.param1 AS bytes_processed,
       p.param2 AS bytes_total,
       p.param3 AS tuples_processed,
       p.param4 AS tuples_excluded
  FROM pg_catalog.pg_stat_get_progress_info('COPY') p
  LEFT JOIN pg_catalog.pg_database d ON d.oid = p.datid
