-- Domains keep their constraints whichever way values come in.
create domain pos as int check (value > 0);
create domain pos2 as pos check (value < 100) not null;
create table dt(a pos, b pos2[]);
copy dt(a) from stdin;
-1
\.
copy dt(a) from stdin;
5
\N
\.
select * from dt;
copy dt(b) from stdin;
{1,200}
\.
create type ct as (x pos, y text);
select '(-1,a)'::ct;
select '(1,a)'::ct;
select row(-1,'a')::ct;
select '{1,-1}'::pos[];
select '-1'::pos;
select '{1,NULL}'::pos2[];
select array[1,-1]::pos[];
prepare p(pos) as select $1;
execute p(-1);
execute p(5);
select json_populate_record(null::ct, '{"x":-1}');
select * from json_to_record('{"x":-1}') as r(x pos);
select cast('5' as pos2), '500'::text::pos2;
create temp table src(r ct);
insert into src values ('(0,z)');
copy src from stdin;
"(-4,k)"
\.
copy src from stdin;
(-4,k)
\.
copy src from stdin;
(4,k)
\.
select * from src;
deallocate p;
drop table src, dt;
drop type ct;
drop domain pos2, pos;
