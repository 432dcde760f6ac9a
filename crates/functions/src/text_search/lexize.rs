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

/// The same, with a single lexeme appended to `out`.
fn say(config: &Config, token: &Token<'_>, out: &mut String) -> Said {
    for dictionary in config.for_token(token.kind) {
        match dictionary.say(token.text, out) {
            Said::Unknown => {}
            said => return said,
        }
    }
    Said::Unknown
}

/// Goes through the tokens of a text, except those too long to be indexed, of which a notice tells.
pub fn tokens(text: &str, env: &dyn SessionEnv, mut each: impl FnMut(Token<'_>) -> Result<()>) -> Result<()> {
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

impl Lexemes {
    /// Appends those of a text.
    pub fn add(&mut self, config: &Config, env: &dyn SessionEnv, text: &str) -> Result<()> {
        tokens(text, env, |token| {
            let begin = self.texts.len();
            match say(config, &token, &mut self.texts) {
                Said::Unknown => {}
                Said::Stop => self.position += 1,
                Said::One => {
                    self.position += 1;
                    self.locate(begin, false, 0);
                }
                Said::Many(answers) => {
                    self.position += 1;
                    for answer in answers {
                        let begin = self.texts.len();
                        self.texts.push_str(&answer.text);
                        self.locate(begin, answer.prefix, answer.variant);
                    }
                }
            }
            Ok(())
        })
    }
    /// The last text, from `begin` on, is a lexeme.
    fn locate(&mut self, begin: usize, prefix: bool, variant: u16) {
        self.words.push(Located { begin, end: self.texts.len(), position: self.position, prefix, variant });
    }
    pub fn text(&self, word: &Located) -> &str {
        &self.texts[word.begin..word.end]
    }
}
