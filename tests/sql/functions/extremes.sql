-- Functions at the ends of what they take.
SELECT length(round(1.5, 2147483647)::text), length(trunc(1.5, 2147483647)::text);
SELECT round(1.5, -2147483648), trunc(1.5, -2147483648), round(1e1000, -2147483648);
SELECT length(round(1.5, 2000)::text), length(trunc(1.5, 2000)::text), length(round(1.5, 20000)::text), length(trunc(1.5, 20000)::text), length(trunc(1.5, 16383)::text), length(round(1.5, 16384)::text);
SELECT trunc('NaN'::numeric, 2147483647), round('infinity'::numeric, 2147483647), length(round(0, 2147483647)::text);
SELECT length(round(1e5000, -4000)::text), length(trunc(1e5000, -5000)::text), round(1e5000, -5001);
SELECT length(round(6e5000, -5001)::text);
SELECT timestamp 'infinity' AT TIME ZONE interval '1 hour', timestamptz 'infinity' AT TIME ZONE interval '1 hour', timestamp '-infinity' AT TIME ZONE interval '-5 hours', timestamptz '-infinity' AT TIME ZONE 'UTC';
SELECT timestamp 'infinity' AT TIME ZONE interval '1 month', timestamptz '-infinity' AT TIME ZONE interval '1 day';
SELECT timestamp '2000-01-01' AT TIME ZONE interval '1 month';
SELECT timestamptz '2000-01-01' AT TIME ZONE interval '1 day';
SELECT to_regtype('23');
SELECT to_regtype('999999');
SELECT to_regtype('-');
SELECT to_regtype('int4[]'), to_regtype('nope'), to_regtype('numeric(10,2)');
SELECT '23'::regtype, '1259'::regclass, to_regclass('1259'), to_regproc('1242'), to_regrole('10'), to_regnamespace('11');
