-- CREATE and DROP TEXT SEARCH DICTIONARY, CONFIGURATION

CREATE SCHEMA tsd;
SET search_path = tsd, public;
CREATE TEXT SEARCH DICTIONARY en_nostop (TEMPLATE = snowball, Language = english);
CREATE TEXT SEARCH DICTIONARY plain (TEMPLATE = pg_catalog.simple, StopWords = english, Accept = false);
CREATE TEXT SEARCH DICTIONARY syn (TEMPLATE = synonym, Synonyms = synonym_sample);
SELECT dictname, dicttemplate, dictinitoption FROM pg_ts_dict WHERE dictnamespace = 'tsd'::regnamespace ORDER BY 1;
SELECT ts_lexize('en_nostop', 'the'), ts_lexize('plain', 'the'), ts_lexize('plain', 'cat'), ts_lexize('tsd.syn', 'Postgres'), ts_lexize('syn', 'indices'), ts_lexize('syn', 'x');
CREATE TEXT SEARCH DICTIONARY bad (Language = english);
CREATE TEXT SEARCH DICTIONARY bad (TEMPLATE = snowball);
CREATE TEXT SEARCH DICTIONARY bad (TEMPLATE = snowball, Language = klingon);
CREATE TEXT SEARCH DICTIONARY bad (TEMPLATE = snowball, Language = english, Foo = 1);
CREATE TEXT SEARCH DICTIONARY bad (TEMPLATE = simple, Accept = maybe);
CREATE TEXT SEARCH DICTIONARY bad (TEMPLATE = nosuch);
CREATE TEXT SEARCH DICTIONARY bad (TEMPLATE = synonym);

CREATE TEXT SEARCH CONFIGURATION my_english (COPY = english);
CREATE TEXT SEARCH CONFIGURATION empty (PARSER = "default");
SELECT to_tsvector('my_english', 'The Foxes'), to_tsvector('tsd.empty', 'The Foxes'), 'my_english'::regconfig;
SELECT count(*) FROM pg_ts_config_map WHERE mapcfg = 'my_english'::regconfig;
CREATE TEXT SEARCH CONFIGURATION bad (COPY = nosuch);
CREATE TEXT SEARCH CONFIGURATION bad (COPY = english, PARSER = "default");
CREATE TEXT SEARCH CONFIGURATION bad (foo = english);
SET default_text_search_config = my_english;
SHOW default_text_search_config;
SELECT to_tsvector('The Foxes');
RESET default_text_search_config;
BEGIN;
CREATE TEXT SEARCH CONFIGURATION gone (COPY = simple);
SELECT to_tsvector('gone', 'The Foxes');
ROLLBACK;
SELECT to_tsvector('gone', 'x');
\dF
\dFd
SET search_path = public;
SELECT 'tsd.my_english'::regconfig, 'tsd.syn'::regdictionary;
DROP TEXT SEARCH CONFIGURATION my_english;
DROP TEXT SEARCH CONFIGURATION IF EXISTS my_english;
DROP TEXT SEARCH CONFIGURATION tsd.my_english;
DROP TEXT SEARCH DICTIONARY tsd.syn, tsd.plain;
DROP TEXT SEARCH DICTIONARY english_stem;
DROP SCHEMA tsd;
DROP SCHEMA tsd CASCADE;
SELECT count(*) FROM pg_ts_config_map WHERE mapcfg >= 16384;
