SELECT t.grantor, t.grantee, t.table_catalog, t.table_schema, t.table_name, t.column_name, t.privilege_type, t.is_grantable
  FROM information_schema.column_privileges t
 WHERE t.grantor IN (SELECT r.role_name FROM information_schema.enabled_roles r)
    OR t.grantee IN (SELECT r.role_name FROM information_schema.enabled_roles r)
