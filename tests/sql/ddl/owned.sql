-- REASSIGN OWNED, DROP OWNED, default privileges, SET SESSION AUTHORIZATION.
CREATE ROLE golden_o1 LOGIN;
CREATE ROLE golden_o2;
CREATE ROLE golden_o3;
GRANT CREATE ON SCHEMA public TO golden_o1, golden_o2;
ALTER DEFAULT PRIVILEGES FOR ROLE golden_o1 GRANT SELECT ON TABLES TO golden_o2;
ALTER DEFAULT PRIVILEGES FOR ROLE golden_o1 IN SCHEMA public GRANT INSERT ON TABLES TO golden_o3;
ALTER DEFAULT PRIVILEGES FOR ROLE golden_o1 IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO golden_o3 WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE golden_o1 REVOKE ALL ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE golden_o1 GRANT ALL ON SCHEMAS TO golden_o2;
ALTER DEFAULT PRIVILEGES FOR ROLE golden_o1 REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE golden_o1 IN SCHEMA public GRANT USAGE ON SCHEMAS TO golden_o3;
ALTER DEFAULT PRIVILEGES FOR ROLE golden_o1 GRANT USAGE ON TABLES TO golden_o3;
ALTER DEFAULT PRIVILEGES FOR ROLE golden_o1 GRANT SELECT (a) ON TABLES TO golden_o3;
ALTER DEFAULT PRIVILEGES FOR ROLE golden_o1 GRANT SELECT ON TABLES TO PUBLIC WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE nosuch GRANT SELECT ON TABLES TO golden_o3;
ALTER DEFAULT PRIVILEGES IN SCHEMA nosuch GRANT SELECT ON TABLES TO golden_o3;
SELECT defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl FROM pg_default_acl ORDER BY 1, 2, 3;
\ddp
SET SESSION AUTHORIZATION golden_o1;
SELECT session_user, current_user;
SHOW session_authorization;
SHOW is_superuser;
CREATE TABLE t1 (a serial, b int);
CREATE VIEW v1 AS SELECT 1 AS x;
CREATE SEQUENCE s1;
CREATE TYPE e1 AS ENUM ('a', 'b');
CREATE DOMAIN d1 AS int;
\dp t1
\dp v1
\dp s1
\dp t1_a_seq
\dT+ e1
SELECT typname, typacl FROM pg_type WHERE typname IN ('e1', 'd1', 't1') ORDER BY 1;
ALTER DEFAULT PRIVILEGES FOR ROLE golden_o2 GRANT SELECT ON TABLES TO golden_o3;
ALTER DEFAULT PRIVILEGES GRANT DELETE ON TABLES TO golden_o1;
CREATE TABLE t2 (a int);
\dp t2
SET ROLE golden_o2;
RESET SESSION AUTHORIZATION;
SELECT session_user = current_user;
ALTER DEFAULT PRIVILEGES FOR ROLE golden_o1 REVOKE SELECT ON TABLES FROM golden_o2;
ALTER DEFAULT PRIVILEGES FOR ROLE golden_o1 GRANT USAGE ON TYPES TO PUBLIC;
\ddp
DROP ROLE golden_o1;
DROP ROLE golden_o3;
REASSIGN OWNED BY golden_o1 TO nosuch;
REASSIGN OWNED BY nosuch TO golden_o1;
REASSIGN OWNED BY postgres TO golden_o1;
SET ROLE golden_o2;
REASSIGN OWNED BY golden_o1 TO golden_o2;
REASSIGN OWNED BY golden_o2 TO golden_o1;
DROP OWNED BY golden_o1;
RESET ROLE;
REASSIGN OWNED BY golden_o1 TO golden_o2;
SELECT relname, relowner::regrole, relacl FROM pg_class WHERE relname IN ('t1', 'v1', 's1', 't1_a_seq', 't2') ORDER BY 1;
SELECT typname, typowner::regrole FROM pg_type WHERE typname IN ('e1', 'd1', 't1', '_e1', '_t1') ORDER BY 1;
\ddp
DROP ROLE golden_o1;
DROP OWNED BY golden_o1;
\ddp
DROP ROLE golden_o1;
CREATE TABLE mine (a int);
GRANT SELECT, INSERT ON mine TO golden_o2 WITH GRANT OPTION;
GRANT UPDATE (a) ON mine TO golden_o2;
SET ROLE golden_o2;
GRANT SELECT ON mine TO golden_o3;
RESET ROLE;
\dp mine
DROP OWNED BY golden_o2;
DROP VIEW v1;
CREATE VIEW dep AS SELECT a FROM t1;
DROP OWNED BY golden_o2;
DROP OWNED BY golden_o2 CASCADE;
\dp mine
SELECT count(*) FROM pg_class WHERE relname IN ('t1', 's1', 't2', 'dep');
DROP OWNED BY golden_o3, golden_o2;
DROP OWNED BY postgres;
DROP ROLE golden_o2, golden_o3;
-- Table privileges that are taken away go from the columns too.
CREATE ROLE golden_o4;
GRANT SELECT (a), UPDATE (a) ON mine TO golden_o4;
\dp mine
REVOKE SELECT ON mine FROM golden_o4;
\dp mine
REVOKE ALL ON mine FROM golden_o4;
\dp mine
DROP ROLE golden_o4;
-- Session user and roles.
CREATE ROLE golden_o5 CREATEROLE;
CREATE ROLE golden_o6;
ALTER ROLE golden_o6 RENAME TO golden_o5;
ALTER ROLE golden_o6 RENAME TO pg_x;
ALTER ROLE nosuch RENAME TO golden_o7;
ALTER ROLE postgres RENAME TO golden_o7;
SET SESSION AUTHORIZATION golden_o5;
ALTER ROLE golden_o5 RENAME TO golden_o7;
ALTER ROLE golden_o6 RENAME TO golden_o7;
SET SESSION AUTHORIZATION golden_o7;
SET ROLE golden_o7;
SET SESSION AUTHORIZATION DEFAULT;
BEGIN;
SET LOCAL SESSION AUTHORIZATION golden_o7;
SELECT session_user, current_user;
COMMIT;
SELECT session_user = 'golden_o7';
BEGIN;
SET LOCAL ROLE golden_o7;
SELECT current_user;
COMMIT;
SELECT current_user = 'golden_o7';
BEGIN;
SET ROLE golden_o7;
SAVEPOINT s;
SET ROLE golden_o5;
ROLLBACK TO s;
SELECT current_user;
ROLLBACK;
SELECT current_user = 'golden_o7';
DROP ROLE golden_o5, golden_o7;
DROP TABLE mine;
