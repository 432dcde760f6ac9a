-- Section 13: MySQL's replication statements are errors.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
CREATE USER 'replication'@'%' IDENTIFIED BY 'password';                                         -- [E]
GRANT REPLICATION SLAVE ON *.* TO 'replication'@'%';                                            -- [E]
FLUSH PRIVILEGES;                                                                               -- [E]
SHOW MASTER STATUS;                                                                             -- [E]
START SLAVE;                                                                                    -- [E]
drop role if exists replication;
create role replication with login replication password 'password';                             -- [F]
select rolreplication from pg_roles where rolname = 'replication';                              -- [F]
select pg_is_in_recovery(), pg_current_wal_lsn() is not null as has_lsn, (select count(*) from pg_stat_replication) as replicas; -- [F] SHOW MASTER/SLAVE STATUS
drop role replication;
