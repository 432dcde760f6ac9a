SELECT e.name, e.version, x.extname IS NOT NULL AS installed, e.superuser, e.trusted, e.relocatable, e.schema, e.requires, e.comment
  FROM pg_catalog.pg_available_extension_versions() e
  LEFT JOIN pg_catalog.pg_extension x ON x.extname = e.name AND x.extversion = e.version
