-- the default parser, dictionaries, configurations; from texts to vectors and queries

SELECT * FROM ts_token_type('default');
SELECT * FROM ts_token_type(3722) LIMIT 2;
SELECT * FROM ts_token_type('nosuch');
SELECT * FROM ts_parse('default', '345 qwe@efd.r '' http://www.com/ http://aew.werc.ewr/?ad=qwe&dw 1aew.werc.ewr/?ad=qwe&dw 2aew.werc.ewr http://3aew.werc.ewr/?ad=qwe&dw asdf <fr>qwer jf sdjk<we hjwer <werrwe> ewri2 <a href="qwe<qwe>">');
SELECT * FROM ts_parse('default', '/usr/local/fff /awdf/dwqe/4325 rewt/ewr wefjn /wqe-324/ewr gist.h gist.h.c gist.c. readline 4.2 4.2. 4.2, readline-4.2 -4.2e-10 +17 1.2.3.4 -1.2.3');
SELECT * FROM ts_parse('default', 'foo-bar-12x under_score 5-a <b>text</b> &amp; &#x27; <!-- c --> <script> x y </script> ~/a ../b');
SELECT * FROM ts_parse('default', 'Съешь ещё мягких-булок über İx ½ ² naïve');
SELECT token FROM ts_parse(3722, 'a b');

SELECT ts_lexize('simple', 'ASD56 hsdkf'), ts_lexize('english_stem', 'skies'), ts_lexize('english_stem', 'identity'), ts_lexize('english_stem', 'The'), ts_lexize('russian_stem', 'ёлками'), ts_lexize('german_stem', 'Häuser'), ts_lexize('french_stem', 'françaises'), ts_lexize('spanish_stem', 'corriendo'), ts_lexize('italian_stem', 'abbandonata'), ts_lexize('dutch_stem', 'lichamelijkheden'), ts_lexize('swedish_stem', 'flickorna'), ts_lexize('danish_stem', 'undersøgelser'), ts_lexize('norwegian_stem', 'havnedistriktene'), ts_lexize('finnish_stem', 'edeltäjistään'), ts_lexize('hungarian_stem', 'megkelkáposztásítottalanítottátok'), ts_lexize('portuguese_stem', 'quilométricas'), ts_lexize('romanian_stem', 'abilităților'), ts_lexize('turkish_stem', 'kalemlerimiz'), ts_lexize('greek_stem', 'ανθρώπων'), ts_lexize('arabic_stem', 'والكتاب'), ts_lexize('hindi_stem', 'लड़कियों'), ts_lexize('indonesian_stem', 'membangunkan'), ts_lexize('irish_stem', 'bhfeirmeoireacht'), ts_lexize('lithuanian_stem', 'namuose'), ts_lexize('serbian_stem', 'књигама'), ts_lexize('tamil_stem', 'வீடுகள்'), ts_lexize('catalan_stem', 'abandonades'), ts_lexize('basque_stem', 'etxeetako'), ts_lexize('armenian_stem', 'գրքերի'), ts_lexize('nepali_stem', 'मानिसहरू'), ts_lexize('yiddish_stem', 'ביכער');
SELECT ts_lexize('nosuch', 'x');

SELECT to_tsvector('english', 'The quick brown foxes jumped over the lazy dogs'' backs, 12.50 times up-to-date at http://example.com/a?b');
SELECT to_tsvector('simple', 'The The Cat'), to_tsvector('french', 'les chats de la maison'), to_tsvector('english', ''), to_tsvector('russian', 'Быстрые лисы in the house');
SELECT to_tsvector('nosuch', 'x');
SELECT to_tsvector('english', '{"a": "aaa bbb ddd ccc", "b": ["ccc eee fff"], "c": {"d": "ggg hhh"}}'::json), to_tsvector('english', '{"a": "aaa in bbb", "b": {"c": "ccc1 ccc2"}, "n": 12, "t": true}'::jsonb), to_tsvector('""'::jsonb), to_tsvector('{}'::json);
SELECT jsonb_to_tsvector('english', '{"a": "aaa in bbb", "b": 123, "c": 456, "d": true, "f": false, "g": null}', '"all"'), jsonb_to_tsvector('english', '{"a": "x", "b": 123, "d": true}', '["string", "numeric"]'), json_to_tsvector('english', '{"a": "x", "b": 12.5, "d": true}', '"key"'), json_to_tsvector('{"a": true}', '["boolean"]');
SELECT jsonb_to_tsvector('english', '{"a": 1}', '"x"');
SELECT jsonb_to_tsvector('english', '{"a": 1}', '{}');
SELECT jsonb_to_tsvector('english', '{"a": 1}', '[1]');

SELECT to_tsquery('english', 'qwe & sKies'), to_tsquery('simple', 'qwe & sKies'), to_tsquery('english', '(the | fat) & rats:*A'), to_tsquery('english', '''supernovae stars'' & !crab'), to_tsquery('english', 'a & b <-> the <-> c'), to_tsquery('english', 'fat <-> (of <-> cats) | x');
SELECT to_tsquery('english', 'the'), to_tsquery('english', ''), to_tsquery('english', 'of & the');
SELECT to_tsquery('english', 'a b');
SELECT plainto_tsquery('english', 'The Fat & Rats:C'), plainto_tsquery('english', 'up-to-date'), phraseto_tsquery('english', 'the fat cat and a dog'), phraseto_tsquery('simple', 'The Fat Rats');
SELECT websearch_to_tsquery('english', '"supernovae stars" -crab'), websearch_to_tsquery('english', '"sad cat" or "fat rat" the'), websearch_to_tsquery('english', 'signal -"segmentation fault"'), websearch_to_tsquery('simple', 'abc <-> def : "unclosed ( or x'), websearch_to_tsquery('simple', 'or or or'), websearch_to_tsquery('english', ''' \ it''s -');
SELECT 'fat cats ate' @@ 'cat', 'fat cats ate' @@ to_tsquery('cat & !dog');
SELECT * FROM ts_debug('english', 'The up-to-date Foxes &amp; 42');
SELECT alias, dictionary, lexemes FROM ts_debug('Foxes of');

SHOW default_text_search_config;
SELECT get_current_ts_config(), 'simple'::regconfig, 'pg_catalog.english'::regconfig::oid, 'english_stem'::regdictionary, 3748::regconfig, 3765::regdictionary, 99::regconfig;
SET default_text_search_config = simple;
SHOW default_text_search_config;
SELECT to_tsvector('The Cats'), get_current_ts_config();
SET default_text_search_config = 'nosuch';
SELECT set_config('default_text_search_config', 'german', false);
SELECT to_tsvector('Die Häuser');
RESET default_text_search_config;
SELECT 'nosuch'::regconfig;
SELECT 'nosuch.english'::regconfig;
SELECT 'nosuch'::regdictionary;

\dF
\dFd
\dFp
\dFt
\dF+ russian
\dFd+ english_stem
