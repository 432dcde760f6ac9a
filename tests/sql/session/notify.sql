-- LISTEN, NOTIFY, UNLISTEN within one session.
SELECT pg_listening_channels();
LISTEN alpha;
LISTEN beta;
LISTEN alpha;
SELECT pg_listening_channels() AS channel ORDER BY 1;
SELECT pg_notification_queue_usage();

-- errors
SELECT pg_notify('', 'x');
SELECT pg_notify(NULL, 'x');
SELECT pg_notify(repeat('c', 64), 'x');
SELECT pg_notify('alpha', repeat('p', 8000));
NOTIFY alpha, 5;
NOTIFY "";
LISTEN "";
LISTEN;
UNLISTEN;
-- a name that is too long is cut
NOTIFY c234567890123456789012345678901234567890123456789012345678901234567890;
LISTEN l234567890123456789012345678901234567890123456789012345678901234567890;
SELECT pg_listening_channels() AS channel ORDER BY 1;
UNLISTEN l234567890123456789012345678901234567890123456789012345678901234567890;
SELECT pg_listening_channels() AS channel ORDER BY 1;

-- nothing is told of a rollback, of a savepoint's rollback and of failed statements
BEGIN;
LISTEN gamma;
NOTIFY alpha, 'rolled back';
ROLLBACK;
BEGIN;
SAVEPOINT s;
LISTEN gamma;
UNLISTEN alpha;
SELECT pg_notify('alpha', 'rolled back to savepoint');
ROLLBACK TO s;
RELEASE s;
COMMIT;
SELECT pg_listening_channels() AS channel ORDER BY 1;
BEGIN;
NOTIFY alpha, 'failed';
SELECT 1/0;
COMMIT;

-- LISTEN and UNLISTEN count from the commit on
BEGIN;
LISTEN delta;
SELECT pg_listening_channels() AS channel ORDER BY 1;
UNLISTEN alpha;
UNLISTEN beta;
SELECT pg_listening_channels() AS channel ORDER BY 1;
ROLLBACK;
BEGIN;
UNLISTEN *;
LISTEN delta;
COMMIT;
SELECT pg_listening_channels() AS channel ORDER BY 1;
UNLISTEN nobody;
NOTIFY nobody_listens, 'to this';
SELECT pg_notify(c, 'p') FROM (VALUES ('a'), ('b')) v(c);
LISTEN "Quoted Name";
SELECT pg_listening_channels() AS channel ORDER BY 1;

-- read-only transactions may
BEGIN READ ONLY;
LISTEN x1;
NOTIFY x2;
UNLISTEN x1;
COMMIT;
SELECT pg_listening_channels() AS channel ORDER BY 1;
DISCARD ALL;
SELECT pg_listening_channels() AS channel ORDER BY 1;
PREPARE n AS NOTIFY a;
EXPLAIN NOTIFY a;

-- What psql prints of its own notifications, without the process id.
LISTEN a;
\o | sed 's/PID [0-9]*/PID N/'
NOTIFY a;
NOTIFY a, 'with payload';
SELECT pg_notify('a', NULL);
SELECT pg_notify('a', repeat('long ', 20));
BEGIN;
NOTIFY a, '1';
NOTIFY a, '2';
NOTIFY a, '1';
NOTIFY b, '2';
SAVEPOINT s;
NOTIFY a, '3';
ROLLBACK TO s;
NOTIFY a, '4';
SAVEPOINT s2;
NOTIFY a, '2';
NOTIFY a, '5';
RELEASE s2;
NOTIFY a, '5';
LISTEN b;
COMMIT;
SELECT count(pg_notify('b', i::text)) FROM generate_series(1, 25) i;
SELECT count(pg_notify('b', (i % 3)::text)) FROM generate_series(1, 25) i;
BEGIN;
NOTIFY a, 'rolled back';
ROLLBACK;
BEGIN;
UNLISTEN a;
NOTIFY a, 'no longer';
NOTIFY b, 'still';
COMMIT;
BEGIN;
NOTIFY b, 'chained';
COMMIT AND CHAIN;
SELECT 'in the next block';
COMMIT;
NOTIFY b, 'one'\; NOTIFY b, 'two'\; NOTIFY b, 'one';
UNLISTEN *;
NOTIFY b, 'nobody';
\o
