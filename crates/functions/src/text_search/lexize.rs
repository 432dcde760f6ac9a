//! Tokens through the dictionaries of a configuration.

use super::Config;
use super::dictionary::{Answer, Said};
use super::parser::{Parser, Token};
use crate::SessionEnv;
use quarry_common::{Result, Severity, err};
use quarry_types::textsearch::LEXEME_BYTES_MAX;

/// What the first dictionary that knows the token says; none: none does, or none is asked.
pub fn lexize(config: &Config, token: &Token<'_>) -> Option<Vec<Answer>> {
    config.for_token(token.kind).iter().find_map(|d| d.lexize(token.text))
}

/// The same, with a single lexeme appended to `out`; without thesauri, which are asked for phrases.
fn say(config: &Config, token: &Token<'_>, out: &mut String) -> Said {
    for dictionary in config.for_token(token.kind).iter().filter(|d| d.as_thesaurus().is_none()) {
        match dictionary.say(token.text, out) {
            Said::Unknown => {}
            said => return said,
        }
    }
    Said::Unknown
}

/// Goes through the tokens of a text, except those too long to be indexed, of which a notice tells.
pub fn tokens<'t>(
    text: &'t str,
    env: &dyn SessionEnv,
    mut each: impl FnMut(Token<'t>) -> Result<()>,
) -> Result<()> {
    for (i, token) in Parser::new(text).enumerate() {
        if i % 1024 == 1023 {
            env.check_cancelled()?;
        }
        if token.text.len() >= LEXEME_BYTES_MAX {
            let notice = err!(PROGRAM_LIMIT_EXCEEDED, "word is too long to be indexed")
                .detail(format!("Words longer than {LEXEME_BYTES_MAX} characters are ignored."));
            env.notice(Severity::Notice, notice);
            continue;
        }
        each(token)?;
    }
    Ok(())
}

/// A lexeme of a text with its position, counted from 1 over all words that dictionaries know, stop words too.
#[derive(Clone, Copy, Debug)]
pub struct Located {
    begin: usize,
    end: usize,
    pub position: u64,
    pub prefix: bool,
    pub variant: u16,
}

/// Lexemes of one or more texts, one after another.
#[derive(Default)]
pub struct Lexemes {
    /// All their texts.
    texts: String,
    pub words: Vec<Located>,
    pub position: u64,
}

/// A phrase of a thesaurus at the beginning of these tokens, if it comes before the dictionaries that know the first one: how many tokens it
/// takes, and what replaces it. Tokens that no dictionary is asked for don't count; others must be the thesaurus's too.
fn phrase<'c>(config: &'c Config, tokens: &[Token<'_>]) -> Option<(usize, &'c [Answer])> {
    for dictionary in config.for_token(tokens[0].kind) {
        let Some(thesaurus) = dictionary.as_thesaurus() else {
            if dictionary.lexize(tokens[0].text).is_some() {
                return None;
            }
            continue;
        };
        let asked = |t: &Token<'_>| config.for_token(t.kind).iter().any(|d| d.oid == dictionary.oid);
        let counting = || tokens.iter().enumerate().filter(|(_, t)| !config.for_token(t.kind).is_empty());
        let words = counting().map(|(_, t)| asked(t).then_some(t.text));
        if let Some((count, substitute)) = thesaurus.longest(words) {
            let last = counting().nth(count - 1).map_or(0, |(i, _)| i);
            return Some((last + 1, substitute));
        }
    }
    None
}

impl Lexemes {
    /// Appends those of a text.
    pub fn add(&mut self, config: &Config, env: &dyn SessionEnv, text: &str) -> Result<()> {
        if config.has_thesaurus() {
            return self.add_phrases(config, env, text);
        }
        tokens(text, env, |token| {
            self.add_token(config, &token);
            Ok(())
        })
    }
    /// The same where phrases may be replaced.
    fn add_phrases(&mut self, config: &Config, env: &dyn SessionEnv, text: &str) -> Result<()> {
        let mut all = Vec::new();
        tokens(text, env, |token| {
            all.push(token);
            Ok(())
        })?;
        let mut at = 0;
        while at < all.len() {
            match phrase(config, &all[at..]) {
                Some((taken, substitute)) => {
                    self.add_answers(substitute);
                    at += taken;
                }
                None => {
                    self.add_token(config, &all[at]);
                    at += 1;
                }
            }
        }
        Ok(())
    }
    fn add_token(&mut self, config: &Config, token: &Token<'_>) {
        let begin = self.texts.len();
        match say(config, token, &mut self.texts) {
            Said::Unknown => {}
            Said::Stop => self.position += 1,
            Said::One => {
                self.position += 1;
                self.locate(begin, false, 0);
            }
            Said::Many(answers) => self.add_answers(&answers),
        }
    }
    fn add_answers(&mut self, answers: &[Answer]) {
        self.position += 1;
        for answer in answers {
            self.position += u64::from(answer.moves_on);
            let begin = self.texts.len();
            self.texts.push_str(&answer.text);
            self.locate(begin, answer.prefix, answer.variant);
        }
    }
    /// The last text, from `begin` on, is a lexeme.
    fn locate(&mut self, begin: usize, prefix: bool, variant: u16) {
        self.words.push(Located { begin, end: self.texts.len(), position: self.position, prefix, variant });
    }
    pub fn text(&self, word: &Located) -> &str {
        &self.texts[word.begin..word.end]
    }
}
