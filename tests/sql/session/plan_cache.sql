-- Generic and custom plans of prepared statements.
CREATE TABLE pc (id int PRIMARY KEY, kind int, note text);
INSERT INTO pc SELECT i, CASE WHEN i <= 9900 THEN 1 ELSE i END, 'note ' || i FROM generate_series(1, 10000) i;
CREATE INDEX pc_kind ON pc (kind);
ANALYZE pc;

-- After five custom plans the generic one is as good: a key picks one row.
PREPARE by_key (int) AS SELECT note FROM pc WHERE id = $1;
EXECUTE by_key (1);
EXECUTE by_key (2);
EXECUTE by_key (3);
EXECUTE by_key (4);
EXPLAIN (COSTS OFF) EXECUTE by_key (5);
SELECT name, generic_plans, custom_plans FROM pg_prepared_statements ORDER BY name;
EXPLAIN (COSTS OFF) EXECUTE by_key (6);
EXECUTE by_key (7);
SELECT name, generic_plans, custom_plans FROM pg_prepared_statements ORDER BY name;

-- A plan for any kind costs more than one for these.
PREPARE by_kind (int) AS SELECT count(*) FROM pc WHERE kind = $1;
EXECUTE by_kind (9901);
EXECUTE by_kind (9902);
EXECUTE by_kind (9903);
EXECUTE by_kind (9904);
EXECUTE by_kind (9905);
EXECUTE by_kind (9906);
EXECUTE by_kind (1);
SELECT name, generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'by_kind';

-- Forced.
SET plan_cache_mode = force_generic_plan;
EXECUTE by_kind (9906);
EXPLAIN (COSTS OFF) EXECUTE by_key (8);
SELECT name, generic_plans, custom_plans FROM pg_prepared_statements ORDER BY name;
SET plan_cache_mode = force_custom_plan;
EXECUTE by_kind (9906);
EXPLAIN (COSTS OFF) EXECUTE by_key (8);
SELECT name, generic_plans, custom_plans FROM pg_prepared_statements ORDER BY name;
RESET plan_cache_mode;
EXPLAIN (COSTS OFF) EXECUTE by_key (8);
SELECT name, generic_plans, custom_plans FROM pg_prepared_statements ORDER BY name;

-- A generic plan that was made by force is not taken before its time.
PREPARE forced (int) AS SELECT note FROM pc WHERE id = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE forced (1);
RESET plan_cache_mode;
EXECUTE forced (2);
SELECT name, generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'forced';

-- Without parameters there is one plan, and settings that change leave it as it is; the schema doesn't.
PREPARE fixed AS SELECT note FROM pc WHERE id = 5;
EXPLAIN (COSTS OFF) EXECUTE fixed;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) EXECUTE fixed;
EXPLAIN (COSTS OFF) SELECT note FROM pc WHERE id = 5;
RESET enable_indexscan;
RESET enable_bitmapscan;
ALTER TABLE pc DROP CONSTRAINT pc_pkey;
EXPLAIN (COSTS OFF) EXECUTE fixed;
SELECT name, generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'fixed';
ALTER TABLE pc ADD PRIMARY KEY (id);
EXPLAIN (COSTS OFF) EXECUTE fixed;

-- Changes that a statement's result doesn't survive.
PREPARE everything AS SELECT * FROM pc WHERE id = 1;
EXECUTE everything;
ALTER TABLE pc ADD COLUMN more int;
EXECUTE everything;
ALTER TABLE pc DROP COLUMN more;
EXECUTE everything;

-- Writes.
PREPARE put (int, text) AS INSERT INTO pc VALUES ($1, $1, $2) ON CONFLICT (id) DO UPDATE SET note = excluded.note RETURNING *;
EXECUTE put (20001, 'a');
EXECUTE put (20001, 'b');
PREPARE change (text, int) AS UPDATE pc SET note = $1 WHERE id = $2 RETURNING note;
EXECUTE change ('c', 20001);
EXPLAIN (COSTS OFF) EXECUTE change ('d', 20001);
PREPARE take (int) AS DELETE FROM pc WHERE id = $1;
EXECUTE take (20001);
SELECT name, generic_plans, custom_plans FROM pg_prepared_statements WHERE name IN ('put', 'change', 'take') ORDER BY name;
DEALLOCATE ALL;
SELECT count(*) FROM pg_prepared_statements;

-- The search path decides anew.
CREATE SCHEMA pc_other;
CREATE TABLE pc_other.pc (id int, kind int, note text);
INSERT INTO pc_other.pc VALUES (1, 1, 'of the other');
PREPARE whose AS SELECT note FROM pc WHERE id = 1;
EXECUTE whose;
SET search_path = pc_other;
EXECUTE whose;
RESET search_path;
EXECUTE whose;
DROP SCHEMA pc_other CASCADE;
DROP TABLE pc;
EXECUTE whose;
