SELECT current_database(), n.nspname, (p.proname::text || '_' || p.oid::text)::name, current_database(), n.nspname, p.proname,
       CASE p.prokind WHEN 'f' THEN 'FUNCTION' WHEN 'p' THEN 'PROCEDURE' END, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name,
       CASE WHEN p.prokind = 'p' THEN NULL WHEN t.typelem <> 0 AND t.typlen = -1 THEN 'ARRAY'
            WHEN nt.nspname = 'pg_catalog' THEN pg_catalog.format_type(t.oid, NULL) ELSE 'USER-DEFINED' END,
       NULL::int, NULL::int, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::int, NULL::int, NULL::int, NULL::int, NULL::text, NULL::int,
       CASE WHEN nt.nspname IS NOT NULL THEN current_database() END, nt.nspname, t.typname, NULL::name, NULL::name, NULL::name, NULL::int, CASE WHEN p.prokind <> 'p' THEN '0' END,
       CASE WHEN l.lanname = 'sql' THEN 'SQL' ELSE 'EXTERNAL' END,
       CASE WHEN pg_catalog.pg_has_role(p.proowner, 'USAGE') THEN p.prosrc END,
       CASE WHEN l.lanname = 'c' THEN p.prosrc END, upper(l.lanname::text), 'GENERAL',
       CASE WHEN p.provolatile = 'i' THEN 'YES' ELSE 'NO' END, 'MODIFIES',
       CASE WHEN p.prokind <> 'p' THEN CASE WHEN p.proisstrict THEN 'YES' ELSE 'NO' END END, NULL::text, 'YES', 0, NULL::text, NULL::text,
       CASE WHEN p.prosecdef THEN 'DEFINER' ELSE 'INVOKER' END, NULL::name, NULL::name, NULL::name, 'NO', NULL::timestamptz, NULL::timestamptz, NULL::text,
       CASE WHEN p.prokind <> 'p' THEN 'NO' END, NULL::text, NULL::text, NULL::int, NULL::int, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::int, NULL::int, NULL::int, NULL::int, NULL::text, NULL::int,
       NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::int, NULL::name
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  LEFT JOIN pg_catalog.pg_type t ON t.oid = p.prorettype AND p.prokind <> 'p'
  LEFT JOIN pg_catalog.pg_namespace nt ON nt.oid = t.typnamespace
 WHERE pg_catalog.pg_has_role(p.proowner, 'USAGE') OR pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
