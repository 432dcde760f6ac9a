SELECT current_database(), x.nspname, (x.proname::text || '_' || x.oid::text)::name, x.n::int,
       CASE x.mode WHEN 'i' THEN 'IN' WHEN 'o' THEN 'OUT' WHEN 'b' THEN 'INOUT' WHEN 'v' THEN 'IN' WHEN 't' THEN 'OUT' END,
       'NO', 'NO', nullif(x.name, ''),
       CASE WHEN t.typelem <> 0 AND t.typlen = -1 THEN 'ARRAY' WHEN nt.nspname = 'pg_catalog' THEN pg_catalog.format_type(t.oid, NULL)
            ELSE 'USER-DEFINED' END,
       NULL::int, NULL::int, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::int, NULL::int, NULL::int, NULL::int, NULL::text, NULL::int, current_database(), nt.nspname, t.typname, NULL::name, NULL::name, NULL::name, NULL::int, x.n::text,
       CASE WHEN pg_catalog.pg_has_role(x.proowner, 'USAGE') THEN pg_catalog.pg_get_function_arg_default(x.oid, x.n::int) END
  FROM (SELECT p.oid, p.proname, p.proowner, n.nspname, u.n, u.typid,
               coalesce(p.proargmodes[u.n::int]::text, 'i') AS mode, p.proargnames[u.n::int] AS name
          FROM pg_catalog.pg_proc p
          JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
         CROSS JOIN LATERAL unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY AS u(typid, n)
         WHERE pg_catalog.pg_has_role(p.proowner, 'USAGE') OR pg_catalog.has_function_privilege(p.oid, 'EXECUTE')) x
  JOIN pg_catalog.pg_type t ON t.oid = x.typid
  JOIN pg_catalog.pg_namespace nt ON nt.oid = t.typnamespace
