-- Section 16: isolation levels.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
drop table if exists transactions, accounts cascade;
create table accounts (account_id text primary key, balance numeric(15,2));                     -- [+]
insert into accounts values ('A', 1200), ('B', 300);                                            -- [+]
SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;                                               -- [V] WARNING 25P01: only in transaction blocks
BEGIN;
SELECT balance FROM accounts WHERE account_id = 'A';
COMMIT;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;                                                 -- [V]
BEGIN;
SELECT balance FROM accounts WHERE account_id = 'A';
SELECT balance FROM accounts WHERE account_id = 'A';
COMMIT;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;                                                -- [V]
BEGIN;
SELECT balance FROM accounts WHERE account_id = 'A';
SELECT balance FROM accounts WHERE account_id = 'A';
COMMIT;
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;                                                   -- [V]
BEGIN;
SELECT COUNT(*) FROM accounts WHERE balance > 1000;
INSERT INTO accounts (account_id, balance) VALUES ('C', 1500);
COMMIT;
BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SHOW transaction_isolation; COMMIT;     -- [F]
BEGIN; SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; SHOW transaction_isolation; COMMIT;    -- [F] shown as read uncommitted, acts as read committed
