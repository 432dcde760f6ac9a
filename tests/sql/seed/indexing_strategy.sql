-- Section 02 on the tables of section 01: indexes made concurrently and what the catalog says of them.
-- Left out, as the server doesn't have it yet: the GIN index.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
create table users (id bigint primary key, name text, email text, active boolean default true, created_at timestamp default timestamp '2025-01-01', last_order timestamptz, metadata jsonb default '{}'); -- [+]
create table orders (id bigserial primary key, user_id bigint references users(id), total numeric(12,2), status text default 'pending', created_at timestamp default timestamp '2025-01-02'); -- [+]
CREATE INDEX CONCURRENTLY idx_users_email ON users(email);                                      -- [V]
CREATE INDEX CONCURRENTLY idx_orders_user_status 
ON orders(user_id, status, created_at);                                                         -- [V]
CREATE INDEX CONCURRENTLY idx_users_active 
ON users(created_at) WHERE active = true;                                                       -- [V]
SELECT 
    schemaname,
    tablename,
    indexname,
    idx_scan,
    idx_tup_read,
    idx_tup_fetch
FROM pg_stat_user_indexes
ORDER BY idx_scan DESC;                                                                         -- [E] tablename/indexname: PG calls them relname/indexrelname
SELECT schemaname, relname AS tablename, indexrelname AS indexname, idx_scan >= 0 as idx_scan, idx_tup_read >= 0 as idx_tup_read, idx_tup_fetch >= 0 as idx_tup_fetch
FROM pg_stat_user_indexes WHERE relname in ('users','orders') ORDER BY 2, 3;                    -- [F]
\d users
\d orders
select indexname, indexdef from pg_indexes where schemaname = 'public' and tablename in ('users','orders') order by 1; -- [+]
