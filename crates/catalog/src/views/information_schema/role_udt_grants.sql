SELECT t.grantor, t.grantee, t.udt_catalog, t.udt_schema, t.udt_name, t.privilege_type, t.is_grantable
  FROM information_schema.udt_privileges t
 WHERE t.grantor IN (SELECT r.role_name FROM information_schema.enabled_roles r)
    OR t.grantee IN (SELECT r.role_name FROM information_schema.enabled_roles r)
