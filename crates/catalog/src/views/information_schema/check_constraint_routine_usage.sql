SELECT DISTINCT current_database(), nc.nspname, k.conname, current_database(), np.nspname, (p.proname::text || '_' || p.oid::text)::name
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_namespace nc ON nc.oid = k.connamespace
  JOIN pg_catalog.pg_depend d ON d.classid = 2606 AND d.objid = k.oid AND d.refclassid = 1255
  JOIN pg_catalog.pg_proc p ON p.oid = d.refobjid
  JOIN pg_catalog.pg_namespace np ON np.oid = p.pronamespace
 WHERE k.contype = 'c' AND pg_catalog.pg_has_role(p.proowner, 'USAGE')
