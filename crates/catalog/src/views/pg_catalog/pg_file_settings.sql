SELECT s.sourcefile, s.sourceline, s.seqno, s.name, s.setting, s.applied, s.error FROM pg_catalog.pg_show_all_file_settings() s
