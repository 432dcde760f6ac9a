SELECT m.name, m.ident, m.parent, m.level, m.total_bytes, m.total_nblocks, m.free_bytes, m.free_chunks, m.used_bytes
  FROM pg_catalog.pg_get_backend_memory_contexts() m
