SELECT a.grantee, a.role_name, a.is_grantable FROM information_schema.applicable_roles a WHERE a.is_grantable = 'YES'
