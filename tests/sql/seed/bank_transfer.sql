-- Section 03: a transfer, and one that breaks a CHECK.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
drop table if exists accounts, transactions cascade;
create table accounts (id int primary key, balance numeric(15,2) not null check (balance >= 0)); -- [+]
insert into accounts values (1, 150), (2, 20);                                                  -- [+]
BEGIN TRANSACTION;
    UPDATE accounts SET balance = balance - 100 WHERE id = 1;
    UPDATE accounts SET balance = balance + 100 WHERE id = 2;
COMMIT; -- Both succeed or both rollback                                                        -- [V]
select * from accounts order by id;                                                             -- [+]
-- [+] second run: the first update breaks the CHECK, the transaction aborts, COMMIT answers ROLLBACK, nothing changed
BEGIN TRANSACTION;
    UPDATE accounts SET balance = balance - 100 WHERE id = 1;
    UPDATE accounts SET balance = balance + 100 WHERE id = 2;
COMMIT;
select * from accounts order by id;
