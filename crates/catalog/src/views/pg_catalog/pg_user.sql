SELECT u.usename, u.usesysid, u.usecreatedb, u.usesuper, u.userepl, u.usebypassrls, '********'::text AS passwd, u.valuntil, u.useconfig
  FROM pg_catalog.pg_shadow u
