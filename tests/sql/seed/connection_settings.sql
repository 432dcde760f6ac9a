-- Section 09: settings that pools send.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
SET application_name = 'my_app';                                                                -- [F] as SET (startup parameter there)
SET tcp_keepalives_idle = '600';
SET tcp_keepalives_interval = '30';
SET tcp_keepalives_count = '3';
SHOW application_name;
SET default_transaction_isolation = 'read_committed';                                           -- [E] the seed's value is not valid on PostgreSQL
SET default_transaction_isolation = 'read committed';                                           -- [F]
SET statement_timeout = '30s';
SHOW statement_timeout;
SHOW default_transaction_isolation;
set statement_timeout = '50ms'; select pg_sleep(2); reset statement_timeout;                    -- [+] 57014
SET default_transaction_isolation = default; reset application_name;
