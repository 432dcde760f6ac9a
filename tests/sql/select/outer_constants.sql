-- Constants of a subquery are none above an outer join that makes rows of NULLs up.
CREATE TABLE golden_oc (a int, b int);
INSERT INTO golden_oc VALUES (1, 1), (2, 1), (3, 2), (4, NULL);
SELECT rank() OVER (ORDER BY o.b, o.a), rank() OVER (ORDER BY s.v), s.v FROM (SELECT 2 AS v, a FROM golden_oc WHERE a < 3) s FULL JOIN golden_oc o ON o.a = s.a + 1 ORDER BY 1, 2;
SELECT v, o.a FROM golden_oc o LEFT JOIN (SELECT 2 AS v, a FROM golden_oc WHERE a < 3) s ON o.b = s.a ORDER BY v, o.a;
SELECT DISTINCT v FROM golden_oc o LEFT JOIN (SELECT 2 AS v, a FROM golden_oc WHERE a < 3) s ON o.b = s.a ORDER BY v;
SELECT v, count(*) FROM golden_oc o LEFT JOIN (SELECT 2 AS v, a FROM golden_oc WHERE a < 3) s ON o.b = s.a GROUP BY v ORDER BY v;
DROP TABLE golden_oc;
