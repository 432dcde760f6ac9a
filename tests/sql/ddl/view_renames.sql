-- What stored queries and expressions name may be renamed: labels of enums, attributes of types, columns of rows. Calls by name,
-- marks of CYCLE and casts of rows are shown as they were written.
CREATE TYPE golden_rn_e AS ENUM ('a', 'b');
CREATE TYPE golden_rn_p AS (f1 int, f2 int);
CREATE TABLE golden_rn_t (x golden_rn_e DEFAULT 'a', y int, CHECK (x <> 'a'));
CREATE TABLE golden_rn_u (p golden_rn_p, q golden_rn_p[], CHECK ((p).f1 > 0));
CREATE INDEX golden_rn_i ON golden_rn_u (((p).f1));
CREATE VIEW golden_rn_v1 AS SELECT x FROM golden_rn_t WHERE x = 'a';
CREATE VIEW golden_rn_v2 AS SELECT x FROM golden_rn_t WHERE x IN ('a', 'b') OR x = ANY (ARRAY['a']::golden_rn_e[]) OR x = ANY ('{a,b}');
CREATE VIEW golden_rn_v3 AS SELECT (p).f1, (q[1]).f2, p FROM golden_rn_u;
CREATE VIEW golden_rn_v4 AS SELECT (ROW(1, 2)::golden_rn_p).f1, (x).f2 FROM (SELECT ROW(3, 4)::golden_rn_p AS x) s;
CREATE VIEW golden_rn_v5 AS SELECT (t).y, (s.t).x FROM golden_rn_t t, LATERAL (SELECT t) s;

ALTER TYPE golden_rn_e RENAME VALUE 'a' TO 'A,a';
ALTER TYPE golden_rn_e RENAME VALUE 'b' TO 'it''s';
SELECT pg_get_viewdef('golden_rn_v1');
SELECT pg_get_viewdef('golden_rn_v2');
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'golden_rn_t'::regclass;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'golden_rn_t'::regclass;
INSERT INTO golden_rn_t DEFAULT VALUES;
INSERT INTO golden_rn_t VALUES ('it''s');
SELECT * FROM golden_rn_v1;
SELECT * FROM golden_rn_v2;

ALTER TYPE golden_rn_p RENAME ATTRIBUTE f1 TO g1;
ALTER TYPE golden_rn_p RENAME ATTRIBUTE f2 TO "G 2";
SELECT pg_get_viewdef('golden_rn_v3');
SELECT pg_get_viewdef('golden_rn_v4');
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'golden_rn_u'::regclass;
SELECT pg_get_indexdef('golden_rn_i'::regclass);
INSERT INTO golden_rn_u VALUES ('(0,1)');
INSERT INTO golden_rn_u VALUES ('(1,2)', '{"(3,4)"}');
SELECT * FROM golden_rn_v3;
SELECT * FROM golden_rn_v4;
ALTER TABLE golden_rn_t RENAME x TO z;
ALTER TABLE golden_rn_t RENAME y TO w;
SELECT pg_get_viewdef('golden_rn_v5');
SELECT * FROM golden_rn_v5;

ALTER TYPE golden_rn_p RENAME TO golden_rn_pp;
ALTER TYPE golden_rn_e RENAME TO golden_rn_ee;
SELECT pg_get_viewdef('golden_rn_v2');
SELECT pg_get_viewdef('golden_rn_v4');
SELECT * FROM golden_rn_v2;
SELECT * FROM golden_rn_v3;

CREATE VIEW golden_rn_n1 AS SELECT make_interval(days => 3, hours => 2) i, make_interval(1, mins => 3), make_date(year => 2000, day => 2, month => 1) d;
SELECT pg_get_viewdef('golden_rn_n1');
SELECT * FROM golden_rn_n1;
CREATE VIEW golden_rn_n2 AS SELECT * FROM jsonb_path_query(target => '{"a": 1}', path => '$.a') j;
SELECT pg_get_viewdef('golden_rn_n2');
SELECT * FROM golden_rn_n2;
CREATE TABLE golden_rn_n3 (a interval DEFAULT make_interval(hours => 2), CHECK (a > make_interval(secs => 1)));
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'golden_rn_n3'::regclass;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'golden_rn_n3'::regclass;
INSERT INTO golden_rn_n3 DEFAULT VALUES RETURNING a;
CREATE VIEW golden_rn_c1 AS WITH RECURSIVE g(a, b) AS (SELECT 1, 1 UNION ALL SELECT a + 1, b FROM g WHERE a < 3) CYCLE a SET is_c TO 'Y' DEFAULT 'N' USING pth SELECT a, is_c FROM g;
SELECT pg_get_viewdef('golden_rn_c1');
SELECT * FROM golden_rn_c1;
CREATE VIEW golden_rn_c2 AS WITH RECURSIVE g(a, b) AS (SELECT 1, 1 UNION ALL SELECT a + 1, b FROM g WHERE a < 3) CYCLE a SET is_c TO 1 DEFAULT 2 USING pth SELECT a, is_c FROM g;
SELECT pg_get_viewdef('golden_rn_c2');

SET client_min_messages = warning;
DROP TABLE golden_rn_t, golden_rn_u, golden_rn_n3 CASCADE;
DROP TYPE golden_rn_pp, golden_rn_ee CASCADE;
DROP VIEW golden_rn_n1, golden_rn_n2, golden_rn_c1, golden_rn_c2;
