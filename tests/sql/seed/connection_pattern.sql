-- Section 01: a driver's statements, prepared; the shard rule.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
drop table if exists orders, users cascade;
create table users (id bigint primary key, name text, email text, active boolean default true, created_at timestamp default timestamp '2025-01-01', last_order timestamptz, metadata jsonb default '{}'); -- [+]
create table orders (id bigserial primary key, user_id bigint references users(id), total numeric(12,2), status text default 'pending', created_at timestamp default timestamp '2025-01-02'); -- [+]
prepare create_user as INSERT INTO users (id, name, email) VALUES ($1, $2, $3);                 -- [V]
execute create_user(1, 'Alice', 'alice@example.com');
execute create_user(2, 'Bob', 'bob@example.com');
execute create_user(1500000, 'Carol', 'carol@example.com');
prepare q_active as SELECT * FROM users WHERE active = $1;                                      -- [V]
execute q_active(true);
begin;
prepare ins_order as INSERT INTO orders (user_id, total) VALUES ($1, $2);                       -- [V]
execute ins_order(1, 100.0);
prepare upd_last as UPDATE users SET last_order = NOW() WHERE id = $1;                          -- [V]
execute upd_last(1);
commit;
select user_id, total, status from orders;                                                      -- [+]
select id, last_order is not null as has_last_order from users order by id;                     -- [+]
prepare get_user as SELECT * FROM users WHERE id = $1;                                          -- [V]
execute get_user(1500000);
-- [+] the shard rule of the seed in SQL: hash(user_id) % n ; <=1000000 -> 0, <=2000000 -> 1, else 2
select id, case when id <= 1000000 then 0 when id <= 2000000 then 1 else 2 end as range_shard, id % 3 as hash_shard from users order by id;
deallocate all;
