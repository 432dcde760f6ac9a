-- extract over columns.
SET timezone = 'Europe/Berlin';
CREATE TABLE moments (id int, d date, t time, ts timestamp, tz timestamptz);
INSERT INTO moments SELECT g, date '2021-12-25' + g, time '00:00:30.25' + g * interval '61 minutes 1 second', timestamp '2022-03-27 00:30:15.5' + g * interval '31 hours 7 minutes', timestamptz '2022-03-27 00:30:15.123456+00' + g * interval '31 minutes' FROM generate_series(0, 11) g;
INSERT INTO moments VALUES (12, NULL, NULL, NULL, NULL);
SELECT id, extract(year FROM d), extract(week FROM d), extract(isodow FROM d), extract(epoch FROM d), extract(julian FROM d) FROM moments ORDER BY id;
SELECT id, extract(hour FROM t), extract(minute FROM t), extract(second FROM t), extract(epoch FROM t), extract(milliseconds FROM t) FROM moments ORDER BY id;
SELECT id, extract(hour FROM ts), extract(second FROM ts), extract(doy FROM ts), extract(epoch FROM ts), extract(julian FROM ts) FROM moments ORDER BY id;
SELECT id, extract(hour FROM tz), extract(day FROM tz), extract(timezone_hour FROM tz), extract(epoch FROM tz), extract(microseconds FROM tz) FROM moments ORDER BY id;
SELECT extract(hour FROM ts) AS h, count(*), sum(extract(minute FROM ts)), avg(extract(second FROM ts)) FROM moments GROUP BY h ORDER BY h;
SELECT id FROM moments WHERE extract(hour FROM tz) = 4 OR extract('Dow' FROM d) IN (0, 6) ORDER BY id;
SELECT extract(hour FROM t) * 60 + extract(minute FROM t) FROM moments WHERE id > 8;
SELECT extract(hour FROM d) FROM moments;
SELECT extract(timezone FROM ts) FROM moments;
SELECT extract(fortnight FROM tz) FROM moments;
SELECT extract(day FROM t) FROM moments WHERE id = 12;
INSERT INTO moments VALUES (13, 'infinity', '24:00', '-infinity', 'infinity');
SELECT id, extract(hour FROM ts), extract(year FROM ts), extract(epoch FROM tz), extract(month FROM d), extract(hour FROM t) FROM moments WHERE id > 10 ORDER BY id;
DROP TABLE moments;
