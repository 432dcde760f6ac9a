SELECT current_database(), x.objschema, x.objname, x.objtype, x.dtd
  FROM (SELECT a.udt_schema AS objschema, a.udt_name AS objname, 'USER-DEFINED TYPE'::text AS objtype, a.dtd_identifier AS dtd
          FROM information_schema.attributes a
        UNION ALL
        SELECT c.table_schema, c.table_name, 'TABLE', c.dtd_identifier FROM information_schema.columns c
        UNION ALL
        SELECT d.domain_schema, d.domain_name, 'DOMAIN', d.dtd_identifier FROM information_schema.domains d
        UNION ALL
        SELECT p.specific_schema, p.specific_name, 'ROUTINE', p.dtd_identifier FROM information_schema.parameters p
        UNION ALL
        SELECT r.specific_schema, r.specific_name, 'ROUTINE', r.dtd_identifier FROM information_schema.routines r) x
