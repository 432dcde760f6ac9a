SELECT m.name, m.off, m.size, m.allocated_size FROM pg_catalog.pg_get_shmem_allocations() m
