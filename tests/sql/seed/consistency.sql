-- Section 10: constraints and their errors, a transfer, a serializable read.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
drop table if exists transactions, accounts cascade;
CREATE TABLE accounts (
    id BIGSERIAL PRIMARY KEY,
    balance DECIMAL(15,2) NOT NULL CHECK (balance >= 0),
    created_at TIMESTAMP DEFAULT NOW()
);                                                                                              -- [V]
CREATE TABLE transactions (
    id BIGSERIAL PRIMARY KEY,
    from_account_id BIGINT REFERENCES accounts(id),
    to_account_id BIGINT REFERENCES accounts(id),
    amount DECIMAL(15,2) NOT NULL CHECK (amount > 0)
);                                                                                              -- [V]
alter table accounts alter created_at set default timestamp '2025-01-01';                       -- [+] stable DETAIL lines
insert into accounts (balance) values (1500), (500);                                            -- [+]
begin;
UPDATE accounts SET balance = balance - 250.50 WHERE id = 1;                                    -- [F] "?" placeholders of Go's database/sql become $n
UPDATE accounts SET balance = balance + 250.50 WHERE id = 2;
insert into transactions (from_account_id, to_account_id, amount) values (1, 2, 250.50);
commit;
insert into transactions (from_account_id, to_account_id, amount) values (1, 99, 1);            -- [+] 23503
insert into transactions (from_account_id, to_account_id, amount) values (1, 2, -1);            -- [+] 23514
update accounts set balance = -1 where id = 1;                                                  -- [+] 23514
insert into accounts (balance) values (null);                                                   -- [+] 23502
delete from accounts where id = 1;                                                              -- [+] 23503
insert into accounts (balance) values (99999999999999.99);                                      -- [+] 22003
UPDATE accounts SET balance = balance - ? WHERE id = ?;                                         -- [E] verbatim with "?" placeholders: syntax error in PostgreSQL
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT id, balance FROM accounts WHERE balance > 1000;                                          -- [V] (SELECT * there)
COMMIT;
\d transactions
