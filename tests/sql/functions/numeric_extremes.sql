-- min and max of numeric, of columns of one scale and of many.
CREATE TABLE extremes (g int, price numeric(10,2), any_scale numeric, wide numeric(30,20));
INSERT INTO extremes SELECT i % 7, CASE WHEN i % 13 <> 0 THEN (i * 7919 % 20011 - 9000) / 100.0 END, (i % 1000) / power(10::numeric, i % 5), i / 7.0
    FROM generate_series(1, 5000) i;
SELECT min(price), max(price), min(any_scale), max(any_scale), min(wide), max(wide) FROM extremes;
SELECT g, min(price), max(price), count(price), sum(price), min(any_scale), max(wide) FROM extremes GROUP BY g ORDER BY g;
SELECT min(price * 2 - 1), max(-price), max(price / 4), min(price + wide), max(price) FILTER (WHERE g = 3) FROM extremes;
SELECT min(price), max(price) FROM extremes WHERE price IS NULL;
SELECT max(price), g FROM extremes GROUP BY g HAVING max(price) > 110 ORDER BY 1 DESC, 2;
SELECT min(DISTINCT price), max(DISTINCT any_scale) FROM extremes;
SELECT g, price, min(price) OVER w, max(price) OVER w FROM extremes WHERE wide < 3 WINDOW w AS (ORDER BY wide ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING) ORDER BY wide;
-- of equal values the last one
SELECT max(v), min(v) FROM (VALUES (1.0), (1.00), (1.000)) t(v);
SELECT max(v), min(v) FROM (VALUES (1.000), (0.5), (1.00), (0.50)) t(v);
SELECT max(v), min(v) FROM (VALUES ('NaN'::numeric), (1), ('Infinity'), ('-Infinity'), (NULL)) t(v);
SELECT max(v), min(v) FROM (VALUES (123456789012345678901234567890.5), (1e-30), (-99999999999999999999), (0)) t(v);
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SELECT min(price), max(price), max(any_scale), min(wide) FROM extremes;
SELECT g, min(price), max(price), max(wide) FROM extremes GROUP BY g ORDER BY g;
DROP TABLE extremes;
