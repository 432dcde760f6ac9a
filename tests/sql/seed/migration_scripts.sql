-- Section 21: a migration and the script that takes it back.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
drop table if exists users, schema_migrations cascade;
create table users (id serial primary key, email text); create table schema_migrations (version int primary key, applied_at timestamptz); insert into users (email) values ('a'), ('b'); -- [+]
-- verbatim: CREATE INDEX CONCURRENTLY inside BEGIN fails (25001), so the whole script rolls back on PostgreSQL
BEGIN;

-- Add new column with default value
ALTER TABLE users ADD COLUMN status VARCHAR(20) DEFAULT 'active';

-- Create index for new column
CREATE INDEX CONCURRENTLY idx_users_status ON users(status);

-- Update migration tracking
INSERT INTO schema_migrations (version, applied_at) 
VALUES (1, NOW());

COMMIT;                                                                                         -- [E]
select count(*) from information_schema.columns where table_name = 'users' and column_name = 'status'; -- [+] 0
BEGIN;
ALTER TABLE users ADD COLUMN status VARCHAR(20) DEFAULT 'active';
INSERT INTO schema_migrations (version, applied_at) 
VALUES (1, NOW());
COMMIT;
CREATE INDEX CONCURRENTLY idx_users_status ON users(status);                                    -- [F]
select * from users order by id;
BEGIN;

-- Remove index
DROP INDEX IF EXISTS idx_users_status;

-- Remove column
ALTER TABLE users DROP COLUMN IF EXISTS status;

-- Update migration tracking
DELETE FROM schema_migrations WHERE version = 1;

COMMIT;                                                                                         -- [V] rollback script
select * from users order by id; select count(*) from schema_migrations;
