SELECT m.rolname, r.rolname, CASE WHEN x.admin_option THEN 'YES' ELSE 'NO' END
  FROM (SELECT a.member, a.roleid, a.admin_option FROM pg_catalog.pg_auth_members a
        UNION
        SELECT d.datdba, 6171::oid, false FROM pg_catalog.pg_database d WHERE d.datname = current_database()) x
  JOIN pg_catalog.pg_authid m ON m.oid = x.member
  JOIN pg_catalog.pg_authid r ON r.oid = x.roleid
 WHERE pg_catalog.pg_has_role(m.oid, 'USAGE')
