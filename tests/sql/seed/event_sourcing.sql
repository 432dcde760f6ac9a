-- Section 07: an event store with expected versions, projections.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
drop table if exists events, user_projections cascade;
create table events (event_id uuid primary key, event_type text not null, aggregate_id text not null, event_data jsonb not null, version int not null, timestamp timestamptz not null default now(), unique (aggregate_id, version)); -- [+] "timestamp" as column name
create table user_projections (user_id text primary key, name text, email text, version int);   -- [+]
prepare curv as SELECT COALESCE(MAX(version), 0) FROM events WHERE aggregate_id = $1;           -- [V]
execute curv('user-1');
prepare app as INSERT INTO events (event_id, event_type, aggregate_id, event_data, version, timestamp)
                            VALUES ($1, $2, $3, $4, $5, $6);                                    -- [V]
execute app('00000000-0000-4000-8000-000000000001', 'UserCreated', 'user-1', '{"name": "Ann", "email": "a@x"}', 1, '2025-01-01 10:00+00');
execute app('00000000-0000-4000-8000-000000000002', 'EmailChanged', 'user-1', '{"email": "b@x"}', 2, '2025-01-01 11:00+00');
execute app('00000000-0000-4000-8000-000000000003', 'EmailChanged', 'user-1', '{"email": "c@x"}', 2, '2025-01-01 11:00+00'); -- [+] optimistic-concurrency conflict 23505
execute curv('user-1');
prepare gete as SELECT event_id, event_type, aggregate_id, event_data, version, timestamp
                FROM events 
                WHERE aggregate_id = $1 AND version > $2
                ORDER BY version;                                                               -- [V]
execute gete('user-1', 0);
execute gete('user-1', 1);
prepare pins as INSERT INTO user_projections (user_id, name, email, version)
                VALUES ($1, $2, $3, $4);                                                        -- [V]
execute pins('user-1', 'Ann', 'a@x', 1);
prepare pupd as UPDATE user_projections 
                SET email = $1, version = $2
                WHERE user_id = $3;                                                             -- [V]
execute pupd('b@x', 2, 'user-1');
select * from user_projections;
drop table if exists events cascade;
create table events (id text primary key, aggregate_id text, type text, data bytea, version int, timestamp timestamptz); -- [+] seed 002's shape (column "type", "data", "timestamp")
prepare app2 as INSERT INTO events (id, aggregate_id, type, data, version, timestamp)
        VALUES ($1, $2, $3, $4, $5, $6);                                                        -- [V]
execute app2('e1', 'agg', 'UserCreated', '\x7b7d', 1, '2025-01-01 10:00+00');
prepare get2 as SELECT id, aggregate_id, type, data, version, timestamp
        FROM events
        WHERE aggregate_id = $1
        ORDER BY version ASC;                                                                   -- [V]
execute get2('agg');
deallocate all;
