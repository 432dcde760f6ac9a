SELECT l.objoid, l.classoid, l.objsubid, NULL::text AS objtype, NULL::oid AS objnamespace, NULL::text AS objname, l.provider, l.label
  FROM pg_catalog.pg_seclabel l
