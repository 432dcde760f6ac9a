-- Section 04: indexes, patterns of queries, plans.
-- Left out, as the server doesn't have it yet: GIN indexes, full-text search, pg_stat_statements, EXPLAIN ANALYZE (its numbers differ from run to run).
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
drop table if exists orders, users, posts cascade;
CREATE TABLE users (
    id SERIAL PRIMARY KEY,
    email VARCHAR(255) NOT NULL,
    created_at TIMESTAMP DEFAULT NOW()
);                                                                                              -- [V]
alter table users add column name text, add column active boolean default true, add column metadata jsonb default '{}'; -- [+]
create table orders (id serial primary key, user_id int references users(id), status text default 'pending', created_at timestamp default now(), total numeric(10,2)); -- [+]
create table posts (id serial primary key, user_id int references users(id), title text, content text, created_at timestamp default now()); -- [+]
CREATE UNIQUE INDEX idx_users_email ON users(email);                                            -- [V]
CREATE INDEX idx_orders_user_date ON orders(user_id, created_at DESC);                          -- [V]
CREATE INDEX idx_users_active ON users(created_at) WHERE active = true;                         -- [V]
insert into users (email, name, active, created_at, metadata) select 'u' || g || '@example.com', 'user ' || g, g % 5 <> 0, timestamp '2024-01-01' + g * interval '1 hour', jsonb_build_object('plan', case when g % 2 = 0 then 'pro' else 'free' end, 'tags', jsonb_build_array('t' || g % 3)) from generate_series(1, 1000) g; -- [+]
insert into orders (user_id, status, created_at, total) select 1 + g % 400, case when g % 3 = 0 then 'pending' else 'paid' end, timestamp '2023-12-20' + g * interval '10 minutes', g % 97 from generate_series(1, 20000) g; -- [+]
insert into posts (user_id, title, content, created_at) select 1 + g % 50, 'Post number ' || g, case when g % 7 = 0 then 'databases are indexing things' else 'nothing to see here' end, timestamp '2024-03-01' + g * interval '1 minute' from generate_series(1, 300) g; -- [+]
vacuum analyze users; vacuum analyze orders; vacuum analyze posts;                              -- [+]
insert into users (email) values ('u1@example.com');                                            -- [+] unique violation 23505
prepare page as SELECT * FROM posts 
WHERE created_at < $1 
ORDER BY created_at DESC 
LIMIT 20;                                                                                       -- [V]
execute page('2024-03-01 00:05:00');
SELECT u.name, COUNT(p.id) as post_count
FROM users u
LEFT JOIN posts p ON u.id = p.user_id
WHERE u.active = true
GROUP BY u.id, u.name
ORDER BY post_count DESC, u.name LIMIT 5;                                                       -- [V] + ORDER BY/LIMIT added for a stable answer
select count(*) from (
SELECT * FROM users u
WHERE EXISTS (
    SELECT 1 FROM orders o 
    WHERE o.user_id = u.id 
    AND o.created_at > '2024-01-01'
)) s;                                                                                           -- [V] wrapped in count(*)
select count(*) from users where metadata @> '{"plan": "pro", "tags": ["t0"]}';                 -- [+] uses idx_users_metadata
explain (costs off) select * from users where active = true order by created_at limit 5;        -- [+] partial index
explain (costs off) execute page('2024-03-01 00:05:00');                                        -- [+]
deallocate all;
