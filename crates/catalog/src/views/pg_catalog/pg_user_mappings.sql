SELECT m.oid AS umid, s.oid AS srvid, s.srvname, m.umuser,
       CASE WHEN m.umuser = 0 THEN 'public'::name ELSE r.rolname END AS usename,
       CASE WHEN m.umuser <> 0 AND r.rolname = current_user OR m.umuser = 0 AND pg_catalog.pg_has_role(s.srvowner, 'USAGE'::text)
            THEN m.umoptions END AS umoptions
  FROM pg_catalog.pg_user_mapping m
  JOIN pg_catalog.pg_foreign_server s ON s.oid = m.umserver
  LEFT JOIN pg_catalog.pg_authid r ON r.oid = m.umuser
