-- Section 17: plans before and after an index.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
drop table if exists orders, users cascade;
create table orders (order_id serial primary key, user_id int, total numeric, status text, created_at timestamp); -- [+]
create table users (user_id int primary key, active boolean); insert into users values (1, true), (2, false); -- [+]
insert into orders (user_id, total, status, created_at) select g % 100, g, case when g % 2 = 0 then 'paid' else 'pending' end, timestamp '2023-01-01' + g * interval '2 hours' from generate_series(1, 10000) g; -- [+]
vacuum analyze orders;
select count(*), max(order_id) from (SELECT * FROM orders WHERE created_at > '2025-01-01') s;   -- [V] wrapped
explain (costs off) SELECT * FROM orders WHERE created_at > '2025-01-01';                       -- [V] "Bad: No index usage"
CREATE INDEX idx_orders_created_at ON orders(created_at);                                       -- [V]
SELECT order_id, user_id, total FROM orders 
WHERE created_at > '2025-01-01' 
ORDER BY created_at DESC 
LIMIT 5;                                                                                        -- [V] (LIMIT 100 there)
explain (costs off) SELECT order_id, user_id, total FROM orders 
WHERE created_at > '2025-01-01' 
ORDER BY created_at DESC 
LIMIT 100;                                                                                      -- [V] "Good"
CREATE INDEX idx_orders_user_status ON orders(user_id, status, created_at);                     -- [V]
explain (costs off) select * from orders where user_id = 7 and status = 'pending' and created_at > '2024-01-01'; -- [+]
SELECT * FROM users WHERE active = true;                                                        -- [V]
