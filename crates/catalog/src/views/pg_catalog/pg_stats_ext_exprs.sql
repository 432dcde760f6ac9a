SELECT cn.nspname AS schemaname, c.relname AS tablename, sn.nspname AS statistics_schemaname, s.stxname AS statistics_name,
       pg_catalog.pg_get_userbyid(s.stxowner) AS statistics_owner, stat.expr, sd.stxdinherit AS inherited,
       (stat.a).stanullfrac AS null_frac, (stat.a).stawidth AS avg_width, (stat.a).stadistinct AS n_distinct,
       CASE 1 WHEN (stat.a).stakind1 THEN (stat.a).stavalues1 WHEN (stat.a).stakind2 THEN (stat.a).stavalues2 WHEN (stat.a).stakind3 THEN (stat.a).stavalues3
              WHEN (stat.a).stakind4 THEN (stat.a).stavalues4 WHEN (stat.a).stakind5 THEN (stat.a).stavalues5 END AS most_common_vals,
       CASE 1 WHEN (stat.a).stakind1 THEN (stat.a).stanumbers1 WHEN (stat.a).stakind2 THEN (stat.a).stanumbers2 WHEN (stat.a).stakind3 THEN (stat.a).stanumbers3
              WHEN (stat.a).stakind4 THEN (stat.a).stanumbers4 WHEN (stat.a).stakind5 THEN (stat.a).stanumbers5 END AS most_common_freqs,
       CASE 2 WHEN (stat.a).stakind1 THEN (stat.a).stavalues1 WHEN (stat.a).stakind2 THEN (stat.a).stavalues2 WHEN (stat.a).stakind3 THEN (stat.a).stavalues3
              WHEN (stat.a).stakind4 THEN (stat.a).stavalues4 WHEN (stat.a).stakind5 THEN (stat.a).stavalues5 END AS histogram_bounds,
       CASE 3 WHEN (stat.a).stakind1 THEN (stat.a).stanumbers1[1] WHEN (stat.a).stakind2 THEN (stat.a).stanumbers2[1] WHEN (stat.a).stakind3 THEN (stat.a).stanumbers3[1]
              WHEN (stat.a).stakind4 THEN (stat.a).stanumbers4[1] WHEN (stat.a).stakind5 THEN (stat.a).stanumbers5[1] END AS correlation,
       CASE 4 WHEN (stat.a).stakind1 THEN (stat.a).stavalues1 WHEN (stat.a).stakind2 THEN (stat.a).stavalues2 WHEN (stat.a).stakind3 THEN (stat.a).stavalues3
              WHEN (stat.a).stakind4 THEN (stat.a).stavalues4 WHEN (stat.a).stakind5 THEN (stat.a).stavalues5 END AS most_common_elems,
       CASE 4 WHEN (stat.a).stakind1 THEN (stat.a).stanumbers1 WHEN (stat.a).stakind2 THEN (stat.a).stanumbers2 WHEN (stat.a).stakind3 THEN (stat.a).stanumbers3
              WHEN (stat.a).stakind4 THEN (stat.a).stanumbers4 WHEN (stat.a).stakind5 THEN (stat.a).stanumbers5 END AS most_common_elem_freqs,
       CASE 5 WHEN (stat.a).stakind1 THEN (stat.a).stanumbers1 WHEN (stat.a).stakind2 THEN (stat.a).stanumbers2 WHEN (stat.a).stakind3 THEN (stat.a).stanumbers3
              WHEN (stat.a).stakind4 THEN (stat.a).stanumbers4 WHEN (stat.a).stakind5 THEN (stat.a).stanumbers5 END AS elem_count_histogram
  FROM pg_catalog.pg_statistic_ext s
  JOIN pg_catalog.pg_class c ON c.oid = s.stxrelid
  LEFT JOIN pg_catalog.pg_statistic_ext_data sd ON s.oid = sd.stxoid
  LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_namespace sn ON sn.oid = s.stxnamespace
  JOIN LATERAL (SELECT pg_catalog.unnest(pg_catalog.pg_get_statisticsobjdef_expressions(s.oid)) AS expr,
                       pg_catalog.unnest(sd.stxdexpr) AS a) stat ON stat.expr IS NOT NULL
 WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE'::text)
   AND (NOT c.relrowsecurity OR NOT pg_catalog.row_security_active(c.oid))
