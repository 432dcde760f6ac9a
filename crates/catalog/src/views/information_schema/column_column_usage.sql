SELECT DISTINCT current_database(), n.nspname, c.relname, ac.attname, ad.attname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attrdef f ON f.adrelid = c.oid
  JOIN pg_catalog.pg_attribute ad ON ad.attrelid = c.oid AND ad.attnum = f.adnum
  JOIN pg_catalog.pg_depend d ON d.classid = 2604 AND d.objid = f.oid AND d.refclassid = 1259 AND d.refobjid = c.oid
  JOIN pg_catalog.pg_attribute ac ON ac.attrelid = c.oid AND ac.attnum = d.refobjsubid
 WHERE ad.attgenerated <> '' AND ac.attnum <> ad.attnum AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
