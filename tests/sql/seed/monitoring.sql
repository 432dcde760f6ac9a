-- Section 19 on the tables of section 18: statistics of indexes, sizes, pg_stats.
-- Left out, as the server doesn't have it yet: pg_stat_statements.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
create table user_logs (id bigserial primary key, user_id int, timestamp timestamp, action_type text); -- [+] column named "timestamp"
create table users (user_id int primary key, name text, email text, created_at timestamp default '2024-01-01', last_login timestamp, status text default 'active'); -- [+]
create table orders (id serial primary key, user_id int, created_at timestamp, status text);    -- [+]
insert into user_logs (user_id, timestamp, action_type) select 12000 + g % 1000, timestamp '2023-12-15' + g * interval '7 minutes', case when g % 4 = 0 then 'login' else 'view' end from generate_series(1, 20000) g; -- [+]
insert into users select g, 'n' || g, 'e' || g, '2024-01-01', timestamp '2024-01-01' + g * interval '1 day', case when g % 3 = 0 then 'closed' else 'active' end from generate_series(12000, 13000) g; -- [+]
vacuum analyze user_logs; vacuum analyze users;
SELECT schemaname, tablename, indexname, idx_tup_read, idx_tup_fetch
FROM pg_stat_user_indexes 
ORDER BY idx_tup_read DESC;                                                                     -- [E]
SELECT schemaname, relname as tablename, indexrelname as indexname, idx_tup_read >= 0 as r, idx_tup_fetch >= 0 as f FROM pg_stat_user_indexes where relname in ('users','user_logs') ORDER BY 2, 3; -- [F]
select count(*) > 50 as ok from (SELECT 
    schemaname,
    tablename,
    pg_size_pretty(pg_total_relation_size(schemaname||'.'||tablename)) as size,
    pg_total_relation_size(schemaname||'.'||tablename) as size_bytes
FROM pg_tables 
ORDER BY size_bytes DESC) s;                                                                    -- [V] wrapped: sizes differ between servers
select pg_size_pretty(10::bigint), pg_size_pretty(10240::bigint), pg_size_pretty(10::bigint * 1024 * 1024 * 1024), pg_size_pretty(1999999::bigint); -- [+]
-- [+] statistics the optimizer keeps: cardinality, distribution, correlation (seed 004 "Database Statistics")
select attname, n_distinct, null_frac, correlation is not null as has_corr from pg_stats where tablename = 'user_logs' and attname in ('user_id','action_type') order by 1;
