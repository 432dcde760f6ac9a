SELECT DISTINCT current_database(), nv.nspname, v.relname, current_database(), nt.nspname, t.relname
  FROM pg_catalog.pg_class v
  JOIN pg_catalog.pg_namespace nv ON nv.oid = v.relnamespace
  JOIN pg_catalog.pg_rewrite r ON r.ev_class = v.oid
  JOIN pg_catalog.pg_depend d ON d.classid = 2618 AND d.objid = r.oid AND d.refclassid = 1259
  JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
  JOIN pg_catalog.pg_namespace nt ON nt.oid = t.relnamespace
 WHERE v.relkind = 'v' AND t.oid <> v.oid AND t.relkind IN ('r', 'v', 'f', 'p') AND pg_catalog.pg_has_role(t.relowner, 'USAGE')
