-- COPY in text format: input rules, options, errors, output.
CREATE TABLE t (a int, b text, c numeric, d date);
COPY t FROM STDIN;
1	one	1.50	2001-02-03
2	\N	\N	\N
3		0	1999-12-31
\.
SELECT *, b IS NULL AS bn FROM t ORDER BY a;
COPY t (a, b) FROM STDIN;
4	tab\there
5	new\nline
6	back\\slash
7	\x41\101\060
8	bell\b\f\v\r.
9	carriage
10	\Nnot null
11	escaped\
newline
\.
SELECT a, b, length(b) FROM t WHERE a >= 4 ORDER BY a;
COPY t FROM STDIN (DELIMITER '|', NULL 'nil');
20|pipe|1|2001-01-01
21|nil|nil|nil
22|a\|b|2|2001-01-02
\.
SELECT * FROM t WHERE a >= 20 ORDER BY a;
COPY t (b, a) FROM STDIN WITH DELIMITER ',' NULL AS '';
swap,30
,31
\.
SELECT a, b FROM t WHERE a >= 30 ORDER BY a;
COPY t FROM STDIN;
x	bad	1	2001-01-01
\.
COPY t FROM STDIN;
40	few	1
\.
COPY t FROM STDIN;
40	many	1	2001-01-01	extra
\.
COPY t FROM STDIN;
40	baddate	1	2001-13-01
\.
COPY t FROM STDIN;

\.
COPY t (a, nosuch) FROM STDIN;
COPY t (a, a) FROM STDIN;
COPY nosuch FROM STDIN;
COPY t FROM STDIN (FORMAT nosuch);
COPY t FROM STDIN (DELIMITER 'ab');
COPY t FROM STDIN (DELIMITER E'\n');
COPY t FROM STDIN (DELIMITER 'a');
COPY t FROM STDIN (NULL E'a\nb');
COPY t FROM STDIN (QUOTE '"');
COPY t FROM STDIN (ESCAPE '"');
COPY t FROM STDIN (NOSUCH true);
COPY t FROM STDIN (FORMAT text, FORMAT csv);
COPY t FROM STDIN (DELIMITER '|', NULL '|');
SELECT count(*) FROM t WHERE a = 40;
COPY t FROM STDIN (HEADER);
a	b	c	d
50	after header	1	2001-01-01
\.
COPY t FROM STDIN (HEADER match);
a	b	c	d
51	match	1	2001-01-01
\.
COPY t FROM STDIN (HEADER match);
a	x	c	d
52	nomatch	1	2001-01-01
\.
SELECT a, b FROM t WHERE a >= 50 ORDER BY a;
COPY t FROM STDIN WHERE a > 61;
60	no	1	2001-01-01
61	no	1	2001-01-01
62	yes	1	2001-01-01
\.
SELECT a, b FROM t WHERE a >= 60;
DELETE FROM t WHERE a > 11;
COPY t TO STDOUT;
COPY t (b, a) TO STDOUT (DELIMITER '|', NULL '<null>');
COPY (SELECT a, b FROM t WHERE a < 3 ORDER BY a DESC) TO STDOUT;
COPY (SELECT 'q"u,o' AS x, E'tab\tx' AS y, NULL AS z, true AS b, ARRAY[1, 2] AS arr, '{"a": "b\\c"}'::jsonb AS j) TO STDOUT;
COPY (SELECT 1 AS a, 2 AS b) TO STDOUT (HEADER);
COPY (VALUES (1, 'a'), (2, 'b')) TO STDOUT;
COPY (SELECT 1 WHERE false) TO STDOUT;
COPY (SELECT '\x00ff'::bytea, interval '1 day', 1.5::float8, 'a\b'::text) TO STDOUT;
COPY t TO STDOUT (DELIMITER ',');
COPY nosuch TO STDOUT;
COPY (SELECT nosuch) TO STDOUT;
COPY t TO STDOUT WHERE a > 1;
COPY (INSERT INTO t VALUES (70, 'ins') RETURNING a, b) TO STDOUT;
COPY (DELETE FROM t WHERE a = 70 RETURNING a) TO STDOUT;
COPY (UPDATE t SET a = a) TO STDOUT;
CREATE VIEW v AS SELECT a FROM t;
COPY v TO STDOUT;
COPY v FROM STDIN;
1
\.
CREATE TABLE con (id int PRIMARY KEY, v int CHECK (v > 0), w int NOT NULL DEFAULT 3, g int GENERATED ALWAYS AS (v * 2) STORED);
COPY con (id, v) FROM STDIN;
1	1
2	2
\.
COPY con (id, v) FROM STDIN;
3	3
1	9
\.
COPY con (id, v) FROM STDIN;
4	-1
\.
COPY con FROM STDIN;
5	5	\N
\.
COPY con (id, g) FROM STDIN;
COPY con FROM STDIN;
6	6	6
\.
SELECT * FROM con ORDER BY id;
COPY con TO STDOUT;
CREATE TABLE ser (id serial, v text);
COPY ser (v) FROM STDIN;
a
b
c
\.
SELECT * FROM ser ORDER BY id;
BEGIN;
COPY ser (v) FROM STDIN;
in txn
\.
ROLLBACK;
SELECT count(*) FROM ser;
BEGIN;
COPY ser (id) FROM STDIN;
bad
\.
SELECT 1;
ROLLBACK;
COPY ser (id) FROM '/nonexistent/file';
\copy ser (v) from stdin
from backslash copy
\.
SELECT v FROM ser ORDER BY id;
\copy (select v from ser order by id desc) to stdout
DROP TABLE t, con, ser CASCADE;
