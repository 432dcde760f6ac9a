-- Estimates that end in a half become the even number next to them.
EXPLAIN SELECT * FROM generate_series(1, 300) g WHERE g + 0 = 5;
EXPLAIN SELECT * FROM generate_series(1, 500) g WHERE g + 0 = 5;
EXPLAIN SELECT * FROM generate_series(1, 700) g WHERE g + 0 = 5;
EXPLAIN SELECT * FROM generate_series(1, 900) g WHERE g + 0 = 5;
EXPLAIN SELECT * FROM generate_series(1, 1100) g WHERE g + 0 = 5;
