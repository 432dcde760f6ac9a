SELECT p.name, p.statement, p.prepare_time, p.parameter_types, p.from_sql, p.generic_plans, p.custom_plans
  FROM pg_catalog.pg_prepared_statement() p
