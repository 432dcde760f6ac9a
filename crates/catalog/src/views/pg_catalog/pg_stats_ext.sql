SELECT cn.nspname AS schemaname, c.relname AS tablename, sn.nspname AS statistics_schemaname, s.stxname AS statistics_name,
       pg_catalog.pg_get_userbyid(s.stxowner) AS statistics_owner,
       (SELECT pg_catalog.array_agg(a.attname ORDER BY a.attnum)
          FROM pg_catalog.unnest(s.stxkeys) k(k)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = s.stxrelid AND a.attnum = k.k) AS attnames,
       pg_catalog.pg_get_statisticsobjdef_expressions(s.oid) AS exprs, s.stxkind AS kinds, sd.stxdinherit AS inherited,
       sd.stxdndistinct AS n_distinct, sd.stxddependencies AS dependencies, m.most_common_vals, m.most_common_val_nulls,
       m.most_common_freqs, m.most_common_base_freqs
  FROM pg_catalog.pg_statistic_ext s
  JOIN pg_catalog.pg_class c ON c.oid = s.stxrelid
  JOIN pg_catalog.pg_statistic_ext_data sd ON s.oid = sd.stxoid
  LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_namespace sn ON sn.oid = s.stxnamespace
  LEFT JOIN LATERAL (SELECT pg_catalog.array_agg(i."values") AS most_common_vals,
                            pg_catalog.array_agg(i.nulls) AS most_common_val_nulls,
                            pg_catalog.array_agg(i.frequency) AS most_common_freqs,
                            pg_catalog.array_agg(i.base_frequency) AS most_common_base_freqs
                       FROM pg_catalog.pg_mcv_list_items(sd.stxdmcv) i) m ON sd.stxdmcv IS NOT NULL
 WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE'::text)
   AND (NOT c.relrowsecurity OR NOT pg_catalog.row_security_active(c.oid))
