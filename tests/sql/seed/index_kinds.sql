-- Section 18: composite, partial and covering indexes.
-- Left out, as the server doesn't have it yet: the hash index, operator classes of GIN.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
drop table if exists user_logs, users, orders cascade;
create table user_logs (id bigserial primary key, user_id int, timestamp timestamp, action_type text); -- [+] column named "timestamp"
create table users (user_id int primary key, name text, email text, created_at timestamp default '2024-01-01', last_login timestamp, status text default 'active'); -- [+]
create table orders (id serial primary key, user_id int, created_at timestamp, status text);    -- [+]
CREATE INDEX idx_user_activity ON user_logs(user_id, timestamp, action_type);                   -- [V]
insert into user_logs (user_id, timestamp, action_type) select 12000 + g % 1000, timestamp '2023-12-15' + g * interval '7 minutes', case when g % 4 = 0 then 'login' else 'view' end from generate_series(1, 20000) g; -- [+]
insert into users select g, 'n' || g, 'e' || g, '2024-01-01', timestamp '2024-01-01' + g * interval '1 day', case when g % 3 = 0 then 'closed' else 'active' end from generate_series(12000, 13000) g; -- [+]
vacuum analyze user_logs; vacuum analyze users;
SELECT * FROM user_logs 
WHERE user_id = 12345 
  AND timestamp BETWEEN '2024-01-01' AND '2024-01-31'
  AND action_type = 'login';                                                                    -- [V]
SELECT count(*) FROM user_logs WHERE user_id = 12344 AND timestamp BETWEEN '2023-12-01' AND '2024-03-31' AND action_type = 'login'; -- [+]
explain (costs off) SELECT * FROM user_logs WHERE user_id = 12345 AND timestamp BETWEEN '2024-01-01' AND '2024-01-31' AND action_type = 'login'; -- [+]
CREATE INDEX idx_active_users ON users(last_login) 
WHERE status = 'active';                                                                        -- [V]
CREATE INDEX idx_recent_orders ON orders(created_at) 
WHERE created_at > '2024-01-01';                                                                -- [V]
CREATE INDEX idx_user_summary ON users(user_id) 
INCLUDE (name, email, created_at);                                                              -- [V]
SELECT user_id, name, email, created_at 
FROM users WHERE user_id = 12345;                                                               -- [V]
alter table users drop constraint users_pkey; analyze users;                                    -- [+] so that the covering index is the only way
explain (costs off) SELECT user_id, name, email, created_at FROM users WHERE user_id = 12345;   -- [+] Index Only Scan
explain (costs off) select * from users where status = 'active' and last_login > '2059-01-01';  -- [+] partial index implied
select am.amname, opc.opcname from pg_am am join pg_opclass opc on opc.opcmethod = am.oid where am.amname in ('btree') and opc.opcname in ('int4_ops','text_ops','jsonb_ops','jsonb_path_ops','tsvector_ops','array_ops') order by 1, 2; -- [+]
