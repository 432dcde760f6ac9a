//! Thesauri: phrases of words and what they are replaced by (PostgreSQL: `dict_thesaurus.c`).
//!
//! A line of the file is `sample words : substitute words`. The words go through a subdictionary, except substitutes after an asterisk; a
//! question mark in a sample stands for a stop word. The longest sample wins.

use super::files::{Files, find};
use super::{Answer, Dictionary};
use hashbrown::HashMap;
use quarry_common::{Error, Result, bail, err};
use std::sync::Arc;

/// A thesaurus.
pub struct Thesaurus {
    below: Arc<Dictionary>,
    rules: Vec<Rule>,
    /// Rules by their first word.
    by_first: HashMap<Word, Vec<usize>>,
}

struct Rule {
    sample: Vec<Word>,
    substitute: Vec<Answer>,
}

/// What the subdictionary makes of a word; none: it is a stop word.
type Word = Option<String>;

impl Thesaurus {
    pub(super) fn new(options: &[(String, String)], files: &dyn Files) -> Result<Thesaurus> {
        let (mut file, mut below) = (None, None);
        for (name, value) in options {
            match name.as_str() {
                "dictfile" if file.is_some() => {
                    bail!(INVALID_PARAMETER_VALUE, "multiple DictFile parameters")
                }
                "dictfile" => file = Some(value),
                "dictionary" if below.is_some() => {
                    bail!(INVALID_PARAMETER_VALUE, "multiple Dictionary parameters")
                }
                "dictionary" => below = Some(value),
                _ => bail!(INVALID_PARAMETER_VALUE, "unrecognized Thesaurus parameter: \"{name}\""),
            }
        }
        let Some(file) = file else { bail!(INVALID_PARAMETER_VALUE, "missing DictFile parameter") };
        let Some(below) = below else { bail!(INVALID_PARAMETER_VALUE, "missing Dictionary parameter") };
        let text = find(files, &[], "thesaurus", file, "ths")?;
        Thesaurus::from_text(&text, files.dictionary(below)?)
    }

    fn from_text(text: &str, below: Arc<Dictionary>) -> Result<Thesaurus> {
        let mut rules = Vec::new();
        let mut by_first: HashMap<Word, Vec<usize>> = HashMap::new();
        for line in text.lines().map(str::trim_start).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let rule = rule(line, rules.len() + 1, &below)?;
            by_first.entry(rule.sample[0].clone()).or_default().push(rules.len());
            rules.push(rule);
        }
        Ok(Thesaurus { below, rules, by_first })
    }

    /// What the subdictionary makes of a token; none: it doesn't know it.
    fn word(&self, token: &str) -> Option<Word> {
        Some(self.below.lexize(token)?.into_iter().next().map(|a| a.text))
    }

    /// The longest sample at the beginning of these tokens: how many of them it takes, and its substitute. At a token that it isn't asked for
    /// (none) while a longer sample might follow PostgreSQL gives up even what was found, and so does this.
    pub fn longest<'t>(
        &self,
        mut tokens: impl Iterator<Item = Option<&'t str>>,
    ) -> Option<(usize, &[Answer])> {
        let first = self.word(tokens.next()??)?;
        let mut candidates = self.by_first.get(&first)?.clone();
        let mut best = None;
        let mut len = 1;
        loop {
            if let Some(i) = candidates.iter().find(|i| self.rules[**i].sample.len() == len) {
                best = Some((len, self.rules[*i].substitute.as_slice()));
            }
            candidates.retain(|i| self.rules[*i].sample.len() > len);
            if candidates.is_empty() {
                return best;
            }
            let Some(next) = tokens.next() else { return best };
            let Some(next) = self.word(next?) else { return best };
            candidates.retain(|i| self.rules[*i].sample[len] == next);
            len += 1;
        }
    }
}

fn broken(what: &str) -> Error {
    err!(CONFIG_FILE_ERROR, "{what}")
}

fn rule(line: &str, number: usize, below: &Dictionary) -> Result<Rule> {
    let Some((left, right)) = line.split_once(':') else { return Err(broken("unexpected end of line")) };
    let sample: Vec<Word> = left
        .split_whitespace()
        .map(|word| match below.lexize(word) {
            _ if word == "?" => Ok(None),
            None => Err(broken(&format!(
                "thesaurus sample word \"{word}\" isn't recognized by subdictionary (rule {number})"
            ))),
            Some(answers) => match answers.into_iter().next() {
                Some(a) => Ok(Some(a.text)),
                None => {
                    Err(broken(&format!("thesaurus sample word \"{word}\" is a stop word (rule {number})"))
                        .hint("Use \"?\" to represent a stop word within a sample phrase."))
                }
            },
        })
        .collect::<Result<_>>()?;
    if sample.is_empty() {
        return Err(broken("unexpected delimiter"));
    }
    let mut substitute = Vec::new();
    for word in right.split_whitespace() {
        let begin = substitute.len();
        match word.strip_prefix('*') {
            Some("") => return Err(broken("unexpected end of line or lexeme")),
            Some(text) => substitute.push(Answer { text: text.to_owned(), ..Answer::default() }),
            None => {
                let word = word.strip_prefix('\\').unwrap_or(word);
                match below.lexize(word) {
                    Some(answers) if !answers.is_empty() => substitute.extend(answers),
                    Some(_) => {
                        return Err(broken(&format!(
                            "thesaurus substitute word \"{word}\" is a stop word (rule {number})"
                        )));
                    }
                    None => {
                        return Err(broken(&format!(
                            "thesaurus substitute word \"{word}\" isn't recognized by subdictionary (rule {number})"
                        )));
                    }
                }
            }
        }
        // Each word but the first takes a position of its own.
        if begin > 0 {
            substitute[begin].moves_on = true;
        }
    }
    if substitute.is_empty() {
        return Err(broken("unexpected end of line"));
    }
    Ok(Rule { sample, substitute })
}

#[cfg(test)]
mod tests {
    use super::super::files::NoFiles;
    use super::super::template;
    use super::*;
    use quarry_common::Oid;

    fn english() -> Arc<Dictionary> {
        let options = [("language".into(), "english".into()), ("stopwords".into(), "english".into())];
        Arc::new(Dictionary::new(Oid::INVALID, template::SNOWBALL, &options, &NoFiles).unwrap())
    }

    #[test]
    fn the_longest_sample_wins() {
        let text = "# samples\none two three : *123\none two : *12\none : *1\nbooking ? tickets : order invitation Cards\n";
        let t = Thesaurus::from_text(text, english()).unwrap();
        let found = |tokens: &[&str]| {
            t.longest(tokens.iter().map(|t| (!t.is_empty()).then_some(*t)))
                .map(|(n, s)| (n, s.iter().map(|a| a.text.as_str()).collect::<Vec<_>>().join(" ")))
        };
        assert_eq!(found(&["one", "two", "three", "x"]), Some((3, "123".into())));
        assert_eq!(found(&["one", "two", "four"]), Some((2, "12".into())));
        assert_eq!(found(&["One", "four"]), Some((1, "1".into())));
        assert_eq!(found(&["bookings", "the", "ticket"]), Some((3, "order invit card".into())));
        assert_eq!(found(&["bookings", "cheap", "ticket"]), None);
        assert_eq!(found(&["four"]), None);
        assert_eq!(found(&["one", ""]), None);
    }

    #[test]
    fn broken_files() {
        let error =
            |text| Thesaurus::from_text(text, english()).map(|_| ()).unwrap_err().message().to_owned();
        assert_eq!(error("one two"), "unexpected end of line");
        assert_eq!(error(": x"), "unexpected delimiter");
        assert_eq!(error("x :"), "unexpected end of line");
        assert_eq!(error("the end : x"), "thesaurus sample word \"the\" is a stop word (rule 1)");
        assert_eq!(error("end : the"), "thesaurus substitute word \"the\" is a stop word (rule 1)");
    }
}
