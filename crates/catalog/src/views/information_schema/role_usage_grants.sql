SELECT t.grantor, t.grantee, t.object_catalog, t.object_schema, t.object_name, t.object_type, t.privilege_type, t.is_grantable
  FROM information_schema.usage_privileges t
 WHERE t.grantor IN (SELECT r.role_name FROM information_schema.enabled_roles r)
    OR t.grantee IN (SELECT r.role_name FROM information_schema.enabled_roles r)
