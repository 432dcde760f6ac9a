SELECT DISTINCT current_database(), nv.nspname, v.relname, current_database(), np.nspname, (p.proname::text || '_' || p.oid::text)::name
  FROM pg_catalog.pg_class v
  JOIN pg_catalog.pg_namespace nv ON nv.oid = v.relnamespace
  JOIN pg_catalog.pg_rewrite r ON r.ev_class = v.oid
  JOIN pg_catalog.pg_depend d ON d.classid = 2618 AND d.objid = r.oid AND d.refclassid = 1255
  JOIN pg_catalog.pg_proc p ON p.oid = d.refobjid
  JOIN pg_catalog.pg_namespace np ON np.oid = p.pronamespace
 WHERE v.relkind = 'v' AND pg_catalog.pg_has_role(p.proowner, 'USAGE')
