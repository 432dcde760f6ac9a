-- The bytes of a name count from 0; those behind its end are zero.
SELECT ('abc'::name)[0], ('abc'::name)[2], ('abc'::name)[3] = '', ('abc'::name)[63] = '', ('abc'::name)[64], ('abc'::name)[-1];
SELECT pg_typeof(('abc'::name)[0]), ('abc'::name)[NULL], (NULL::name)[0], ('abc'::name)[0][1], ('äbc'::name)[0];
SELECT ('abc'::name)[1:2];
SELECT ('abc'::name)['a'];
SELECT typname FROM pg_type WHERE typname[0] = '_' AND typname[1] = 'i' AND typname[2] = 'n' ORDER BY 1;
CREATE TABLE name_subscripts (n name);
INSERT INTO name_subscripts VALUES ('abc'), (NULL);
UPDATE name_subscripts SET n[0] = 'x';
SELECT * FROM name_subscripts;
UPDATE name_subscripts SET n[1] = NULL, n[3] = 'd';
SELECT * FROM name_subscripts;
UPDATE name_subscripts SET n[2] = '';
SELECT n, length(n::text) FROM name_subscripts;
UPDATE name_subscripts SET n[64] = 'x';
UPDATE name_subscripts SET n[1][2] = 'x';
UPDATE name_subscripts SET n[NULL] = 'x';
UPDATE name_subscripts SET n[1:2] = 'x';
DROP TABLE name_subscripts;
