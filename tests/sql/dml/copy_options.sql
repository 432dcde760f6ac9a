-- Every option of COPY with values that it takes and refuses.
create table t(a int, b text, c text);
copy t (a,a) from stdin;
copy t (a,nosuch) from stdin;
copy nosuch from stdin (format foo);
copy t from stdin (format foo);
copy t from stdin (delimiter 'ab');
copy t from stdin (delimiter E'\n');
copy t from stdin (delimiter 'a');
copy t from stdin (delimiter '.');
copy t from stdin (null E'\n');
copy t from stdin (quote '"');
copy t from stdin (escape '"');
copy t from stdin (format csv, quote 'ab');
copy t from stdin (format csv, quote '');
copy t from stdin (format csv, delimiter '"');
copy t from stdin (force_null (a));
copy t from stdin (force_not_null (a));
copy t to stdout (force_quote (a));
copy t to stdout (format csv, force_quote *);
copy t from stdin (format csv, force_null *);
copy t from stdin (format csv, force_not_null 5);
copy t(a) from stdin (format csv, force_null (b));
copy t(a) from stdin (format csv, force_null (nosuch));
copy t(a) to stdout (format csv, force_quote (b));
copy t(a) to stdout (format csv, force_quote (nosuch));
copy (select a from t) to stdout (format csv, force_quote (nosuch));
copy (select a, b from t) to stdout (format csv, force_quote (b));
copy t from stdin (null 'a,b', format csv);
copy t from stdin (null 'a"b', format csv);
copy t from stdin (format binary, header);
copy t from stdin (format binary, delimiter 'x');
copy t from stdin (format binary, null 'x');
copy t from stdin (format binary, quote 'x');
copy t from stdin (encoding 'nosuch');
copy t from stdin (encoding 5);
copy t from stdin (header maybe);
copy t from stdin (header 3);
copy t from stdin (freeze maybe);
copy t from stdin (format csv, format csv);
copy t from stdin (nosuch);
copy t from stdin (nosuch 5);
copy t from stdin (delimiter);
copy t from stdin with csv header quote '''' delimiter ';' null 'N' force not null b force null c;
a;b;c
1;'x;y';N
2;N;N
\.
copy t to stdout with csv header quote '''' delimiter ';' null 'N' force quote b;
copy t to stdout csv header match;
copy t to stdout (header match);
copy t to stdout (format csv, header);
copy t to stdout (header);
copy t to stdout (header true, delimiter ',');
copy t from stdin where a > 1;
1	a	b
5	c	d
\.
copy t to stdout where a > 1;
copy (delete from t where a=5 returning *) to stdout;
copy (delete from t where a=5) to stdout;
copy (select 1 into foo) to stdout;
copy (select 1; select 2) to stdout;
copy (create table x()) to stdout;
copy t from stdin;
1	2
\.
copy t from stdin;
1	2	3	4
\.
copy t from stdin;
x	2	3
\.
copy t from stdin;
99999999999	2	3
\.
copy t from stdin (format csv);
1,"abc
\.
copy t from stdin (format csv);
1,"abc"d,e"f"g
2,a""b,"x""y"
\.
select * from t order by a, b;
select * from t where a in (3,4);
copy t from '/nonexistent/file';
copy t to '/nonexistent/file';
copy t to 'relative';
copy t from '/tmp';
drop table t;
