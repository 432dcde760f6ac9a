-- databases: isolation of contents, errors. Names are unique to this file.
SET client_min_messages = error;
DROP DATABASE IF EXISTS golden_db1;
DROP DATABASE IF EXISTS golden_db2;
RESET client_min_messages;
CREATE DATABASE golden_db1;
CREATE DATABASE golden_db1;
CREATE DATABASE golden_db2 OWNER postgres;
CREATE DATABASE golden_db3 OWNER nosuch;
CREATE DATABASE golden_db3 TEMPLATE nosuch;
SELECT datname, datallowconn, datistemplate FROM pg_database WHERE datname LIKE 'golden_db%' ORDER BY 1;
\l golden_db*
CREATE TABLE here (a int);
\c golden_db1
SELECT current_database();
SELECT * FROM here;
CREATE TABLE here (b text);
INSERT INTO here VALUES ('db1');
CREATE SCHEMA only1;
\c golden_db2
SELECT * FROM here;
SELECT nspname FROM pg_namespace WHERE nspname = 'only1';
CREATE TABLE here (c int DEFAULT 2);
INSERT INTO here DEFAULT VALUES;
SELECT * FROM here;
DROP DATABASE golden_db2;
\c golden_db1
SELECT * FROM here;
DROP DATABASE golden_db2;
DROP DATABASE golden_db2;
DROP DATABASE IF EXISTS golden_db2;
ALTER DATABASE golden_db1 RENAME TO golden_db4;
\c postgres
ALTER DATABASE golden_db1 RENAME TO golden_db4;
ALTER DATABASE nosuch RENAME TO x;
ALTER DATABASE golden_db4 SET work_mem = '9MB';
\c golden_db4
SHOW work_mem;
SELECT * FROM here;
\c postgres
DROP DATABASE golden_db4;
SELECT count(*) FROM pg_database WHERE datname LIKE 'golden_db%';
SELECT datname FROM pg_database WHERE datistemplate ORDER BY 1;
