SELECT m.line_number, m.map_name, m.sys_name, m.pg_username, m.error FROM pg_catalog.pg_ident_file_mappings() m
