-- Section 05: versions of a schema, applied in transactions.
-- Left out, as the server doesn't have it yet: the GIN index.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
drop table if exists users, schema_migrations cascade;
CREATE TABLE IF NOT EXISTS schema_migrations (
    version VARCHAR(255) PRIMARY KEY,
    applied_at TIMESTAMP DEFAULT NOW()
);                                                                                              -- [V]
prepare chk as SELECT version FROM schema_migrations WHERE version = $1;                        -- [V]
execute chk('001_create_users');
begin;
CREATE TABLE users (
    id SERIAL PRIMARY KEY,
    email VARCHAR(255) UNIQUE NOT NULL,
    created_at TIMESTAMP DEFAULT NOW()
);                                                                                              -- [V]
prepare rec as INSERT INTO schema_migrations (version) VALUES ($1);                             -- [V]
execute rec('001_create_users');
commit;
begin;
ALTER TABLE users 
ADD COLUMN first_name VARCHAR(100),
ADD COLUMN last_name VARCHAR(100),
ADD COLUMN profile_data JSONB;
execute rec('002_add_user_profile');
commit;
execute chk('001_create_users');
select version from schema_migrations order by 1;                                               -- [+]
-- [+] transactional DDL: everything below must vanish
begin; create table t_rolled_back (a int); alter table users drop column email; rollback;
select to_regclass('t_rolled_back'), (select count(*) from information_schema.columns where table_name = 'users' and column_name = 'email') as email_still_there;
deallocate all;
