-- ts_rank, ts_rank_cd, ts_headline

SELECT ts_rank(' a:1 s:2C d g'::tsvector, 'a | s'), ts_rank(' a:1 sa:2C d g'::tsvector, 'a | s:*'), ts_rank(' a:1 s:2B d g'::tsvector, 'a & s'), ts_rank(' a:1 s:2 d:3A'::tsvector, 'a <-> s'), ts_rank('a s'::tsvector, 'a & s'), ts_rank('a:1'::tsvector, '!a'), ts_rank(''::tsvector, 'a');
SELECT n, ts_rank('a:1,5,9A b:2,6B c:3 d'::tsvector, 'a & b & d', n) AS r, ts_rank_cd('a:1,5,9A b:2,6B c:3 d'::tsvector, 'a & b', n) AS cd FROM generate_series(0, 63, 7) n;
SELECT ts_rank('{0.1, 0.2, 0.3, 0.9}', 'a:1D b:2C c:3B d:4A'::tsvector, 'a | b | c | d'), ts_rank('{-1, 0.2, 0.3, 0.9}', 'a:1D b:2C'::tsvector, 'a & b', 2), ts_rank_cd('{0.1, 0.2, 0.3, 0.9}', 'a:1D b:2C c:3B'::tsvector, 'a & c');
SELECT ts_rank('{0.1, 0.2, 0.3}', 'a'::tsvector, 'a');
SELECT ts_rank('{{0.1, 0.2, 0.3, 0.4}}', 'a'::tsvector, 'a');
SELECT ts_rank('{0.1, 0.2, 0.3, NULL}', 'a'::tsvector, 'a');
SELECT ts_rank('{0.1, 0.2, 0.3, 2}', 'a'::tsvector, 'a');
SELECT ts_rank_cd(to_tsvector('english', 'Day after day, day after day, We stuck, nor breath nor motion, As idle as a painted Ship Upon a painted Ocean.'), q), q::text FROM unnest(ARRAY['paint & water', 'breath & motion & water', 'ocean', 'paint <-> ship', 'day | ship', 'day & !water']::tsquery[]) q;
SELECT ts_rank_cd(strip(to_tsvector('both stripped')), to_tsquery('both & stripped')), ts_rank_cd('sanct:1 foo:2,5'::tsvector, 'sanct & foo');

CREATE TABLE ts_text (t text);
INSERT INTO ts_text VALUES ('Day after day, day after day, We stuck, nor breath nor motion, As idle as a painted Ship Upon a painted Ocean. Water, water, every where And all the boards did shrink; Water, water, every where, Nor any drop to drink. S. T. Coleridge (1772-1834)');
SELECT ts_headline('english', t, q::tsquery) FROM ts_text, unnest(ARRAY['paint & water', 'breath & motion & water', 'ocean', 'day & drink', 'day | drink', 'day | !drink', 'paint <-> ship & drink', 'idl <-> as <-> paint']) q;
SELECT ts_headline('english', t, 'ocean', 'MinWords=3, MaxWords=5'), ts_headline('english', t, 'ocean | seahorse', 'MaxFragments=2, MinWords=2, MaxWords=6, FragmentDelimiter=" ### "'), ts_headline('english', t, 'water & shrink', 'HighlightAll=true, StartSel=[, StopSel=]'), ts_headline('english', t, 'seahors', 'MaxFragments=1') FROM ts_text;
SELECT ts_headline('english', '<html><!-- x --><head>Sea view wow</head><body><b>Sea view wow <i>foo bar</i></b> http://www.google.com/foo.bar.html <a href="http://www.google.com">YES &nbsp;</a> ff-bg</body></html>', to_tsquery('english', 'sea & foo'), 'HighlightAll=true');
SELECT ts_headline('simple', '1 2 3 1 3', '1 & 3', 'MaxWords=2, MinWords=1'), ts_headline('simple', '1 2 3 1 3', '1 <-> 3', 'MaxWords=4, MinWords=1'), ts_headline('english', 'Lorem ipsum urna. Nullam nullam ullamcorper urna.', to_tsquery('english', 'Lorem') && phraseto_tsquery('english', 'ullamcorper urna'), 'MaxWords=100, MinWords=1'), ts_headline('english', 'foo bar', to_tsquery('english', '')), ts_headline('english', '', 'foo');
SELECT ts_headline('{"a": "aaa bbb", "b": {"c": "ccc ddd fff"}, "d": ["ggg hhh", 1, null]}'::json, tsquery('bbb & ddd | hhh')), ts_headline('english', '{"a": "aaa bbb", "d": ["ggg hhh", 1, true]}'::jsonb, tsquery('bbb | hhh'), 'StartSel = <, StopSel = >'), ts_headline('[]'::jsonb, 'a'), ts_headline('"a b"'::json, 'a');
SELECT ts_headline('a', 'a', 'MinWords=5, MaxWords=5');
SELECT ts_headline('a', 'a', 'MinWords=0');
SELECT ts_headline('a', 'a', 'ShortWord=-1');
SELECT ts_headline('a', 'a', 'MaxFragments=-1');
SELECT ts_headline('a', 'a', 'Foo=1');
SELECT ts_headline('a', 'a', 'Foo');
SELECT ts_headline('a', 'a', 'MinWords=x');
DROP TABLE ts_text;
