-- the list commands: \dt \di \dv \ds \dn \df \dT \do \dC-free, with patterns.
\dt
\di
\dv
\ds
\d
CREATE TABLE alpha (a int PRIMARY KEY, b text);
CREATE TABLE beta (a int, b text UNIQUE);
CREATE TABLE gamma_1 (a serial);
CREATE VIEW av AS SELECT * FROM alpha;
CREATE SEQUENCE sq;
CREATE INDEX beta_a ON beta (a);
CREATE SCHEMA other;
CREATE TABLE other.alpha (x int);
CREATE SCHEMA "Quoted";
\dt
\di
\dv
\ds
\d
\dt alpha
\dt a*
\dt *a
\dt other.*
\dt *.alpha
\dt "alpha"
\dt "Alpha"
\dt gamma?1
\dt nosuch
\dt ALPHA
\di beta*
\di nosuch
\dv a*
\ds *seq
\dtv
\dti
\d alpha beta
\dn
\dn other
\dn o*
\dn+ other
\dp alpha
\z nosuch
GRANT SELECT ON alpha TO PUBLIC;
\dp alpha
\df abs
\df nosuch
\df pg_catalog.now
\df now
\df row_number
\df btrim
\df repeat
\df bool_and
\df split_part
\df generate_ser*
\df date_part
\du postgres
\dg nosuch
\sv av
SET search_path = other;
\dt
\dn
RESET search_path;
DROP TABLE alpha CASCADE;
\dt
\dv
