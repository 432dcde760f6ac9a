-- EXISTS, IN, ANY, ALL and ARRAY over correlated subqueries that may fail: an error comes for outer rows that reach the row that
-- fails, and for no others.
-- PostgreSQL isn't to hash the subqueries, which would raise errors of rows that nobody asks for. The setting forces the rewrites.
SET work_mem = '64kB';
SET quarry.forced_rules = 'all';
CREATE TABLE crew (id int PRIMARY KEY, ship int, rank int, name text);
CREATE TABLE trip (id int PRIMARY KEY, ship int, days int, crew int, note text, load float8);
INSERT INTO crew VALUES (1, 10, 2, 'a'), (2, 20, NULL, 'b'), (3, 30, 4, 'c'), (4, NULL, 5, 'd'), (5, 40, 0, 'e'), (6, 50, 3, 'f'), (7, 60, 1, 'g');
INSERT INTO trip VALUES
  (1, 10, 6, 3, '2', 1), (2, 10, 8, 0, 'x', 1),
  (3, 20, 8, 0, 'x', 1e308), (4, 20, 6, 3, '2', 1e308),
  (5, 30, 4, 2, '7', 2), (6, 30, NULL, 2, NULL, 3),
  (7, 50, 9, 3, '3', 4),
  (8, 60, 1, 1, '5', NULL), (9, 60, 0, 0, 'x', 1e308);
INSERT INTO trip SELECT i, i + 1000, 5, 0, 'none', 1e308 FROM generate_series(100, 4100) i;
CREATE INDEX ON trip (ship);
ANALYZE crew, trip;

-- a match before the row that fails
SELECT c.id, EXISTS (SELECT FROM trip t WHERE t.ship = c.ship AND t.days / t.crew > 1) FROM crew c WHERE c.id IN (1, 3, 4, 5, 6) ORDER BY 1;
-- the row that fails comes first
SELECT c.id, EXISTS (SELECT FROM trip t WHERE t.ship = c.ship AND t.days / t.crew > 1) FROM crew c WHERE c.id = 2;
-- no match before it
SELECT c.id, EXISTS (SELECT FROM trip t WHERE t.ship = c.ship AND t.days / t.crew > 1) FROM crew c WHERE c.id = 7;
SELECT c.id FROM crew c WHERE c.rank > 4 OR EXISTS (SELECT FROM trip t WHERE t.ship = c.ship AND t.note::int > 6) ORDER BY 1;
SELECT c.id FROM crew c WHERE c.id <> 1 AND c.id <> 2 AND c.id <> 7 AND (c.rank > 4 OR EXISTS (SELECT FROM trip t WHERE t.ship = c.ship AND t.note::int > 6)) ORDER BY 1;
-- an arm that isn't taken
SELECT c.id, CASE WHEN c.ship IN (30, 50) THEN EXISTS (SELECT FROM trip t WHERE t.ship = c.ship AND t.note::int > 6) END FROM crew c ORDER BY 1;
SELECT c.id, NOT EXISTS (SELECT FROM trip t WHERE t.ship = c.ship AND t.days / t.crew > 5) FROM crew c WHERE c.rank > 2 ORDER BY 1;

-- IN
SELECT c.id, c.rank IN (SELECT t.days / t.crew FROM trip t WHERE t.ship = c.ship) FROM crew c WHERE c.id IN (1, 3, 4, 5, 6) ORDER BY 1;
SELECT c.id, c.rank IN (SELECT t.days / t.crew FROM trip t WHERE t.ship = c.ship) FROM crew c WHERE c.id = 2;
SELECT c.id, c.rank IN (SELECT t.days / t.crew FROM trip t WHERE t.ship = c.ship) FROM crew c WHERE c.id = 7;
SELECT c.id FROM crew c WHERE c.rank IN (SELECT t.days / t.crew FROM trip t WHERE t.ship = c.ship) AND c.id <> 2 ORDER BY 1;
SELECT c.id FROM crew c WHERE c.rank NOT IN (SELECT t.days / t.crew FROM trip t WHERE t.ship = c.ship) AND c.id <> 2 ORDER BY 1;
SELECT c.id FROM crew c WHERE c.rank NOT IN (SELECT t.days / t.crew FROM trip t WHERE t.ship = c.ship) ORDER BY 1;
SELECT c.id, (c.rank, c.id) IN (SELECT t.days / t.crew, t.id FROM trip t WHERE t.ship = c.ship) FROM crew c WHERE c.id <> 2 AND c.id <> 1 ORDER BY 1;

-- NULLs on either side, no rows
SELECT c.id, c.rank IN (SELECT t.days FROM trip t WHERE t.ship = c.ship) FROM crew c ORDER BY 1;
SELECT c.id, c.rank NOT IN (SELECT t.days FROM trip t WHERE t.ship = c.ship) FROM crew c ORDER BY 1;
SELECT c.id, c.rank > ALL (SELECT t.days FROM trip t WHERE t.ship = c.ship) FROM crew c ORDER BY 1;
SELECT c.id, c.rank < ANY (SELECT t.days FROM trip t WHERE t.ship = c.ship) FROM crew c ORDER BY 1;
SELECT c.id, c.rank = ALL (SELECT t.days - 3 FROM trip t WHERE t.ship = c.ship) FROM crew c ORDER BY 1;
SELECT c.id, (c.rank, c.id) IN (SELECT t.days - 4, t.id FROM trip t WHERE t.ship = c.ship) FROM crew c ORDER BY 1;
SELECT c.id, c.name LIKE ANY (SELECT t.note FROM trip t WHERE t.ship = c.ship) FROM crew c ORDER BY 1;
SELECT c.id FROM crew c WHERE c.rank > 4 OR c.rank IN (SELECT t.crew FROM trip t WHERE t.ship = c.ship) ORDER BY 1;

-- ALL stops at the first false
SELECT c.id, c.rank >= ALL (SELECT t.days / t.crew FROM trip t WHERE t.ship = c.ship) FROM crew c WHERE c.id IN (3, 4, 5, 6) ORDER BY 1;
SELECT c.id, 1 > ALL (SELECT t.days / t.crew FROM trip t WHERE t.ship = c.ship) FROM crew c WHERE c.id = 1;
SELECT c.id, 9 > ALL (SELECT t.days / t.crew FROM trip t WHERE t.ship = c.ship) FROM crew c WHERE c.id = 1;

-- ARRAY
SELECT c.id, ARRAY(SELECT t.note::int FROM trip t WHERE t.ship = c.ship ORDER BY t.id) FROM crew c WHERE c.id IN (3, 4, 5, 6) ORDER BY 1;
SELECT c.id, ARRAY(SELECT t.note::int FROM trip t WHERE t.ship = c.ship ORDER BY t.id) FROM crew c WHERE c.id = 1;
SELECT c.id, ARRAY(SELECT t.id FROM trip t WHERE t.ship = c.ship ORDER BY t.days / t.crew, t.id DESC) FROM crew c WHERE c.id IN (3, 6) ORDER BY 1;
SELECT c.id, ARRAY(SELECT t.id FROM trip t WHERE t.ship = c.ship ORDER BY t.days / t.crew) FROM crew c ORDER BY 1;
SELECT c.id, ARRAY(SELECT t.id FROM trip t WHERE t.ship = c.ship AND t.days / t.crew > 1 ORDER BY t.id) FROM crew c WHERE c.id IN (3, 5, 6) ORDER BY 1;

-- aggregates that fail themselves, and FILTERs
SELECT c.id, (SELECT sum(t.load) FROM trip t WHERE t.ship = c.ship) FROM crew c WHERE c.id <> 2 ORDER BY 1;
SELECT c.id, (SELECT sum(t.load) FROM trip t WHERE t.ship = c.ship) FROM crew c ORDER BY 1;
SELECT c.id, (SELECT avg(t.load) + stddev(t.load) FROM trip t WHERE t.ship = c.ship) FROM crew c WHERE c.id IN (1, 3, 4, 6) ORDER BY 1;
SELECT c.id, CASE WHEN c.id = 3 THEN (SELECT sum(t.load) FROM trip t WHERE t.ship = c.ship) END FROM crew c ORDER BY 1;
SELECT c.id, (SELECT count(*) FILTER (WHERE 10 / t.crew > 2) FROM trip t WHERE t.ship = c.ship) FROM crew c WHERE c.id IN (3, 4, 5, 6) ORDER BY 1;
SELECT c.id, (SELECT count(*) FILTER (WHERE 10 / t.crew > 2) FROM trip t WHERE t.ship = c.ship) FROM crew c WHERE c.id = 1;
SELECT c.id, (SELECT array_agg(ARRAY[t.days, t.crew] ORDER BY t.id) FROM trip t WHERE t.ship = c.ship) FROM crew c ORDER BY 1;

-- what fails is computed of the outer row
SELECT c.id, CASE WHEN c.rank <> 0 THEN (SELECT count(*) FROM trip t WHERE t.days = 20 / c.rank) END FROM crew c ORDER BY 1;
SELECT c.id, CASE WHEN c.rank <> 0 THEN EXISTS (SELECT FROM trip t WHERE t.days = 20 / c.rank) END FROM crew c ORDER BY 1;
SELECT c.id, c.rank <> 0 AND 20 / c.rank IN (SELECT t.days FROM trip t WHERE t.ship = c.ship) FROM crew c WHERE c.rank IS NOT NULL ORDER BY 1;
SELECT c.id, CASE WHEN c.rank <> 0 THEN (SELECT count(*) FROM trip t WHERE t.days > 20 / c.rank) END FROM crew c ORDER BY 1;
DROP TABLE crew, trip;
