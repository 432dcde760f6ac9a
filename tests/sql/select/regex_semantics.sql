-- What PostgreSQL's regular expressions match: preferences, groups, references, constraints, syntax, errors.
-- preferences belong to the whole expression, not to each quantifier
SELECT substring('XY1234Z', 'Y*([0-9]{1,3})'), substring('XY1234Z', 'Y*?([0-9]{1,3})');
SELECT regexp_match('abc01234xyz', '(.*)(\d+)(.*)'), regexp_match('abc01234xyz', '(.*?)(\d+)(.*)'), regexp_match('abc01234xyz', '(?:(.*?)(\d+)(.*)){1,1}');
SELECT regexp_match('abcd', '(a|ab)(c|bcd)(d*)'), regexp_match('xyz', '(x|xy)(z|yz)'), regexp_match('foobar', 'foo|foobar'), regexp_match('aaabbb', '(?:a+?b+|x)'), regexp_match('aaabbb', 'a+b+?'), regexp_match('aaabbb', '(a+b+?)(b*)');
SELECT regexp_match('aaa', 'a{2}?'), regexp_match('aaa', 'a{1,2}?'), regexp_match('aaa', '(?:a{1,2}?){2}'), regexp_match('aaa', 'a{2,}?a*'), regexp_match('aaaa', '(a*?){1,1}'), regexp_match('aaaa', '(?:a??)+');
-- groups: the last repetition counts
SELECT regexp_match('abab', '(ab)*'), regexp_match('aab', '(?:(a)|(b))*'), regexp_match('', '(a|)*'), regexp_match('b', '(a*)*b'), regexp_match('', '(a*?)*?'), regexp_match('ab', '(?:(a*)b)*'), regexp_match('aa', '(a|){3,4}'), regexp_match('abcb', '(?:(a)(b)|(c)(b))+');
SELECT regexp_match('aaaaa', '((a)|(aa))*'), regexp_match('abcabd', '(a(b)?(c)?(d)?)*'), regexp_match('xaay', 'x((a)*)(?:(a)|y)'), regexp_match('ab', '((x)|a)b'), regexp_match('aaabbb', '(a|aab|b)*'), regexp_match('aaabbb', '(?:(a)|(b)){0,4}');
-- references
SELECT regexp_match('abcabc', '(.+)\1'), regexp_match('ABab', '(?i)(ab)\1'), regexp_match('aabb', '(a)\1(b)\2'), regexp_match('abab', '(a|b)\1'), regexp_match('abc', '(a|b)\1|$'), regexp_match('aa', '((a)\2)'), regexp_match('xx', '(?:(abc)|x)\1'), regexp_match('aaaa', '(a+)\1'), regexp_match('aaaa', '(a+?)\1');
SELECT regexp_match('abaabab', '(a*)b\1*'), regexp_match('abcabcab', '(?:(a|ab)(c|bcd)\1?)+'), regexp_match('', '((a*)\2)*'), regexp_match('aXbaX', '(a)(.)b\1\2'), regexp_match('Programmer', '(\w)(.*?\1)'), regexp_match('foo/bar/baz', '^([^/]+?)(?:/([^/]+?))(?:/([^/]+?))?$'), regexp_match('a8', '(a)\18'), regexp_match('aa', '(a){0}\1');
-- constraints
SELECT regexp_match('foobar', 'foo(?=bar)'), regexp_match('foobar', '(?<=foo)b.'), regexp_match('foobar', 'o(?!o).'), regexp_match('foobar', '(?<!f)o.'), regexp_match('abab', '(?=(ab))(a)b'), regexp_match('xay', '(?<=(?<!y)x)a(?=(?=y)y)');
SELECT regexp_replace('one two_3 four', '\m', '<', 'g'), regexp_replace('one two_3 four', '\M', '>', 'g'), regexp_replace('one two', '\y', '|', 'g'), regexp_replace('one two', '\Y', '.', 'g'), regexp_replace('one two', '[[:<:]].', 'X', 'g'), 'a' ~ '\A\Z|a\Z', E'a\nb' ~ '(?n)a\Z', E'a\nb' ~ '(?n)a$';
SELECT regexp_match(E'a\nb', '(?n)a.b'), regexp_match(E'a\nb', '(?n)a[^x]b'), regexp_match(E'a\nb', '(?n)a\Db'), regexp_match(E'a\nb', '(?n)a\sb'), regexp_match(E'a\nb', '(?p)a$'), regexp_match(E'a\nb', '(?w)a$.^b'), regexp_matches(E'x1\ny2\n', '^\w+$', 'gn');
-- options, other syntaxes
SELECT regexp_match('a+b', '***=a+b'), regexp_match('aab', '***:a+b'), regexp_match('a+b', '(?q)a+b'), regexp_match('A+', '(?qi)a+'), regexp_match('ab', '(?x) a b # comment'), regexp_match('a b', '(?x)a\ b'), regexp_match('ab', 'a(?#comment)b'), regexp_match('a{1', 'a{1|a\{1');
SELECT regexp_match('a{', 'a{'), regexp_match('a{,2}', 'a{,2}'), regexp_match('ab)', '(?e)b)'), regexp_match('a+', '(?b)a+'), regexp_match('aa', '(?b)\(a\)\1'), regexp_match('aaa', '(?b)a\{2\}'), regexp_match('*b', '(?b)*b'), regexp_match('^*b', '(?b)^\^*b'), regexp_match('a+', 'a+', 'e'), regexp_match('a$b', '(?b)a$b');
SELECT regexp_match('aA', '\x41'), regexp_match('aA', '\u0041'), regexp_match('A', '\101'), regexp_match('é', '\u00e9'), regexp_match(E'\t', '\t'), regexp_match('\', '\B'), regexp_match(E'\x01', '\cA'), regexp_match('"8', '\428');
-- classes
SELECT regexp_replace(E'aZ5_ -é日ß\t\u00a0\u2003ǅ٣,', '\w', 'w', 'g'), regexp_replace(E'a5 \t\u00a0\u2003é', '\s', 's', 'g'), regexp_replace('a5٣é', '\d', 'd', 'g'), regexp_replace(E'aZé \u0085,', '[[:print:]]', 'p', 'g'), regexp_replace('a-Zé,日', '[[:punct:]]', 'p', 'g'), regexp_replace('aAéÉßǅ', '[[:upper:]]', 'U', 'g'), regexp_replace('aAéÉßǅ', '[[:lower:]]', 'l', 'g'), regexp_replace('aAéÉ1', '(?i)[[:upper:]]', 'U', 'g');
SELECT 'ς' ~* 'Σ', 'Σ' ~* 'ς', 'ſ' ~* 's', 'K' ~* 'k', 'ß' ~* 'ẞ', 'İ' ~* 'i', 'É' ~* '[é]', 'É' ~* '[à-ê]', 'Äb' ~* '(ä)B';
SELECT regexp_match(']', '[]-a]'), regexp_match('-', '[a-]'), regexp_match('-', '[a\-z]'), regexp_match('a', '[[.a.]-c]'), regexp_match('-', '[[.hyphen.]]'), regexp_match('[', '[[]'), regexp_match('^', '[\^]'), regexp_match('b', '[^]a]'), regexp_match('x', '[\W\D]'), regexp_match('A', '[[=A=]]'), regexp_match('_', '[[:word:]]');
-- errors
SELECT 'a' ~ 'a**';
SELECT 'a' ~ '(a';
SELECT 'a' ~ 'a)';
SELECT 'a' ~ '[a';
SELECT 'a' ~ '[b-a]';
SELECT 'a' ~ '[a-b-c]';
SELECT 'a' ~ '[\w-z]';
SELECT 'a' ~ '[[:foo:]]';
SELECT 'a' ~ '[[.foo.]]';
SELECT 'a' ~ 'a{1';
SELECT 'a' ~ 'a{1x}';
SELECT 'a' ~ 'a{2,1}';
SELECT 'a' ~ 'a{256}';
SELECT 'a' ~ '\';
SELECT 'a' ~ '\q';
SELECT 'a' ~ '\x';
SELECT 'a' ~ '\1';
SELECT 'a' ~ '(a\1)';
SELECT 'a' ~ '(a)(?=\1)';
SELECT 'a' ~ '(?z)a';
SELECT 'a' ~ '(?i';
SELECT 'a' ~ '(?<a)';
SELECT 'a' ~ '^*';
SELECT 'a' ~ '(?=a)*';
SELECT 'a' ~ '***';
SELECT 'a' ~ '***a';
SELECT 'a' ~ '***?';
SELECT 'a' ~ '((x{255}){255}){255}';
SELECT regexp_match('a', 'a', 'qx');
-- functions on the way through a text
SELECT regexp_replace('abc', '', '-', 'g'), regexp_replace('aaa', 'a*?', '-', 'g'), regexp_replace('abcabc', '(b)|(c)', '[\1\2\&\\]', 'g'), regexp_split_to_array('the quick  fox', '\s*'), regexp_split_to_array('abc', ''), regexp_count('aaaa', 'aa'), regexp_instr('abcabc', '(b)(c)', 1, 2, 0, '', 2), regexp_substr('abcabc', 'b(.)', 3, 1, '', 1);
SELECT regexp_matches('aXbXc', '(.)X(.)', 'g');
SELECT substring('foobar' SIMILAR '%#"o_b#"%' ESCAPE '#'), substring('abcdefg' SIMILAR 'a*#"%#"g*' ESCAPE '#'), substring('abcdefg' SIMILAR 'a#"%|ab#"g' ESCAPE '#'), substring('aabbcc' SIMILAR 'a+#"(b|c)+#"c*' ESCAPE '#'), 'a_]' SIMILAR TO 'a[]_]+', 'abc' SIMILAR TO '[^]_]+', 'a_' SIMILAR TO '[[:alnum:]_]+';
-- long texts
SELECT regexp_match(repeat('a', 20000) || 'c', 'a*b|c'), length((regexp_match(repeat('ab', 5000), '((a|b)*)$'))[1]), (regexp_match(repeat('x', 2000), '^(((x)|y)*)*(z|)$'))[2:4], length(regexp_replace(repeat('a,', 3000), ',\s*', '', 'g'));
