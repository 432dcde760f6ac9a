-- Index-only scans: leaves read in place where every row is visible, row by row where some are not, in either direction and in small steps;
-- indexed expressions; the different values of a key behind others.
create table ios (a int, b int, c int, d text, e text);
insert into ios select i, i % 10, i % 97, 'D' || i % 500, repeat('long ', i % 40) || i from generate_series(1, 20000) i;
create index ios_a on ios (a) include (c);
create index ios_ba on ios (b, a);
create index ios_l on ios (lower(d), a);
create index ios_e on ios (e) include (b);
vacuum analyze ios;
set enable_seqscan = off;
set enable_bitmapscan = off;

-- Sums and counts without the columns of conditions.
select sum(c) from ios where a between 100 and 300;
select count(*) from ios where a between 100 and 300;
select count(*), sum(a), min(c) from ios where a < 5000;
explain (costs off) select sum(c) from ios where a between 100 and 300;
explain (costs off) select count(*) from ios where b = 5 and a > 19990;
select sum(c) from ios where a between 100 and 300 and c > 50;
select c from ios where a > 19995;
select a, c from ios where a between 10 and 15 order by a desc;
select a from ios where a < 12 order by a desc;
select a from ios where a > 2000 order by a limit 3;
select a from ios where a < 2000 order by a desc limit 3;
select a from ios where a > 2000 order by a offset 1000 limit 3;
select sum(a) from (select a from ios where a > 10 order by a limit 5000) s;
select sum(a) from (select a from ios where a < 15000 order by a desc limit 5000) s;

-- Long keys, packed in the index.
select count(*), sum(b) from ios where e > 'long long';
select length(e), b from ios where e > 'long ' order by e desc limit 2;

-- Some rows are seen by some only.
update ios set c = c + 1000 where a % 100 = 7;
delete from ios where a % 1000 = 8;
select sum(c) from ios where a between 100 and 300;
select count(*), sum(c) from ios where a between 1 and 9000;
select a, c from ios where a between 1005 and 1010 order by a;
select a, c from ios where a between 1005 and 1010 order by a desc;
begin;
insert into ios values (250, 1, 5000, 'D0', 'new');
select sum(c) from ios where a between 200 and 300;
rollback;
select sum(c) from ios where a between 200 and 300;
begin isolation level serializable;
select sum(c), count(*) from ios where a between 200 and 1300;
commit;
begin;
declare k scroll cursor for select a, c from ios where a between 100 and 110 order by a;
fetch 3 from k;
fetch 3 from k;
fetch backward 2 from k;
fetch last from k;
commit;
vacuum ios;
select sum(c) from ios where a between 100 and 300;
select count(*), sum(c) from ios where a between 1 and 9000;

-- Expressions.
select count(*) from ios where lower(d) = 'd7';
select a from ios where lower(d) = 'd7' and a < 3000 order by a;
select sum(a) from ios where lower(d) in ('d7', 'd9', 'd11');
select count(*) from ios where lower(d) between 'd1' and 'd2';
select d, a from ios where lower(d) = 'd7' and a < 1000;
select lower(d), a from ios where lower(d) = 'd7' and a < 1000;
select count(*) from ios where lower(d) = 'd7' and d like 'D%';

-- The different values of a key.
select distinct b from ios order by b;
select distinct b from ios order by b desc;
select distinct b from ios where b > 7 order by b;
select count(*) from (select distinct a from ios where b = 5) s;
select distinct a from ios where b = 5 and a < 100 order by a;
select distinct a from ios where b = 5 and a < 100 order by a desc;
select distinct b, a from ios where b = 5 and a < 40 order by a;
select distinct a from ios where b = 5 and a between 20000 and 30000;
select distinct b from ios where b = 5;
select a from ios where b = 5 group by a order by a limit 3;
select min(a), max(a) from ios where b = 5;
create table dups (a int, b int, c int);
insert into dups select i % 3, nullif(i % 7, 3), i from generate_series(1, 6000) i;
create index dups_abc on dups (a, b desc nulls last, c);
vacuum analyze dups;
select distinct b from dups where a = 1 order by b desc nulls last;
select distinct b from dups where a = 2 and b < 5 order by b;
select distinct b from dups where a = 3;
select distinct b from dups where a is null;
delete from dups where b = 4 and a = 1;
select distinct b from dups where a = 1 order by b desc nulls last;
prepare distinct_of(int) as select distinct b from dups where a = $1 order by b;
execute distinct_of(0);
execute distinct_of(1);
execute distinct_of(null);
drop table ios, dups;
