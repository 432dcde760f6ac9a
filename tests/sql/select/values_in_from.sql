-- What looks like a function call in FROM, but is a value: above all the user, where a table of that name was meant.
\set VERBOSITY default
SELECT * FROM user;
SELECT * FROM user u;
SELECT u FROM user u;
SELECT count(*) FROM user;
SELECT id FROM user;
SELECT * FROM user WHERE id = 1;
SELECT FROM user;
SELECT * FROM current_user AS x(y);
SELECT pg_typeof(current_date) FROM current_date;
SELECT * FROM coalesce(1, 2);
SELECT * FROM coalesce(NULL::int, 2) c;
SELECT * FROM cast(5 AS text);
SELECT * FROM greatest(1, 2, 3) g;
SELECT * FROM nullif(1, 2), nullif(1, 1) n;
SELECT * FROM session_user WITH ORDINALITY;
SELECT * FROM ROWS FROM (current_user, upper('x'));
SELECT * FROM generate_series(1, 2) g, LATERAL coalesce(g, 5) c;
SELECT * FROM localtimestamp(0) WHERE false;
SELECT * FROM current_schema;
SELECT * FROM current_role r, generate_series(1, 2);
CREATE VIEW v AS SELECT * FROM current_user, coalesce(1, 2) c;
SELECT * FROM v;
