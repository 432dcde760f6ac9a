-- Section 08: RETURNING, intervals, migrations that may be repeated, changes in phases.
-- Left out, as the server doesn't have it yet: the GIN index.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
drop table if exists users, user_activity, products cascade;
create table users (id serial primary key, email varchar(255), name text, created_at timestamp, old_field text); -- [+]
prepare mk as INSERT INTO users (email, name, created_at) 
                VALUES ($1, $2, $3) RETURNING id;                                               -- [V]
execute mk('ann@example.com', 'Ann', '2025-01-01');
prepare cmd as INSERT INTO users (id, email, name) VALUES ($1, $2, $3);                         -- [V] seed 002
execute cmd(77, 'bob@example.com', 'Bob');
create table user_activity (user_id text, action text, time timestamptz);                       -- [+] InfluxQL of the seed, as SQL
insert into user_activity values ('1', 'old', now() - interval '25h'), ('1', 'new', now() - interval '23h');
SELECT * FROM user_activity 
                WHERE user_id = '1' 
                AND time > now() - 24h;                                                         -- [E] InfluxQL duration literal
SELECT action FROM user_activity 
                WHERE user_id = '1' 
                AND time > now() - interval '24h';                                              -- [F]
ALTER TABLE users 
ADD COLUMN IF NOT EXISTS profile_data JSONB,
ADD COLUMN IF NOT EXISTS last_login TIMESTAMP;
ALTER TABLE users ADD COLUMN IF NOT EXISTS profile_data JSONB;                                  -- [+] repeatable: NOTICE only
SELECT column_name FROM information_schema.columns 
                WHERE table_name = 'users' 
                AND column_name IN ('profile_data', 'last_login')
order by 1;                                                                                     -- [V] + order by
ALTER TABLE users ADD COLUMN phone VARCHAR(20);  -- Add nullable column                         -- [V]
CREATE INDEX CONCURRENTLY idx_users_phone ON users(phone);  -- Non-blocking index               -- [V]
ALTER TABLE users DROP COLUMN old_field;  -- Data loss                                          -- [V]
ALTER TABLE users ALTER COLUMN email TYPE TEXT;  -- Type change                                 -- [V]
\d users
create table products (product_id serial primary key, name text); insert into products (name) values ('Laptop'); -- [+]
SELECT * FROM products;                                                                         -- [V] (read replica query of the seed)
-- [+] "Multi-Phase Migrations" 1..5
alter table users add column full_name text;
update users set full_name = name where full_name is null;
alter table users add constraint full_name_nn check (full_name is not null) not valid;
alter table users validate constraint full_name_nn;
alter table users alter column full_name set not null;
alter table users drop constraint full_name_nn, drop column name;
select attname, atttypid::regtype, attnotnull from pg_attribute where attrelid = 'users'::regclass and attnum > 0 and not attisdropped order by attnum;
deallocate all;
