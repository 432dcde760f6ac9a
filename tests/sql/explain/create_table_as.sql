-- EXPLAIN of what makes a table of its rows: only ANALYZE makes it.
explain (analyze, costs off, timing off, summary off) create table ct1 as select g from generate_series(1,3) g;
select * from ct1;
explain (analyze, costs off, timing off, summary off) create table if not exists ct1 as select 1;
explain (analyze, costs off, timing off, summary off, format json) create table if not exists ct1 as select 1;
explain (costs off) create table if not exists ct1 as select 1;
explain (costs off) create table ct1 as select 1;
explain (analyze, costs off, timing off, summary off) create table ct1 as select 1;
explain (costs off) select 1 as a into ct2;
explain (analyze, costs off, timing off, summary off) select g into ct2 from generate_series(1,4) g where g > 1;
select * from ct2;
explain (analyze, costs off, timing off, summary off) create temp table ct3 (x) as select g from generate_series(1,4) g with no data;
prepare q as select g from generate_series(1,2) g;
explain (analyze, costs off, timing off, summary off) create table ct4 as execute q;
explain (costs off) create table ct5 as execute q;
select * from ct4;
explain (analyze, costs off, timing off, summary off) execute q;
drop table ct1, ct2, ct4;
