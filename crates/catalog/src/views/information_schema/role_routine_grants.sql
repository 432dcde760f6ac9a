SELECT t.grantor, t.grantee, t.specific_catalog, t.specific_schema, t.specific_name, t.routine_catalog, t.routine_schema, t.routine_name,
       t.privilege_type, t.is_grantable
  FROM information_schema.routine_privileges t
 WHERE t.grantor IN (SELECT r.role_name FROM information_schema.enabled_roles r)
    OR t.grantee IN (SELECT r.role_name FROM information_schema.enabled_roles r)
