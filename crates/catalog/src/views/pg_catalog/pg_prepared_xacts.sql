SELECT p.transaction, p.gid, p.prepared, r.rolname AS owner, d.datname AS database
  FROM pg_catalog.pg_prepared_xact() p
  LEFT JOIN pg_catalog.pg_authid r ON r.oid = p.ownerid
  LEFT JOIN pg_catalog.pg_database d ON d.oid = p.dbid
