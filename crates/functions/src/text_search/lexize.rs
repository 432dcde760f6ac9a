//! Tokens through the dictionaries of a configuration.

use super::Config;
use super::dictionary::Answer;
use super::parser::{Parser, Token};
use crate::SessionEnv;
use quarry_common::{Result, Severity, err};
use quarry_types::textsearch::LEXEME_BYTES_MAX;

/// What the first dictionary that knows the token says; none: none does, or none is asked.
pub fn lexize(config: &Config, token: &Token<'_>) -> Option<Vec<Answer>> {
    config.for_token(token.kind).iter().find_map(|d| d.lexize(token.text))
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
#[derive(Debug)]
pub struct Located {
    pub text: String,
    pub position: u64,
    pub prefix: bool,
}

/// Lexemes of one or more texts, one after another.
#[derive(Default)]
pub struct Lexemes {
    pub words: Vec<Located>,
    pub position: u64,
}

impl Lexemes {
    /// Appends those of a text.
    pub fn add(&mut self, config: &Config, env: &dyn SessionEnv, text: &str) -> Result<()> {
        tokens(text, env, |token| {
            let Some(answers) = lexize(config, &token) else { return Ok(()) };
            self.position += 1;
            for answer in answers {
                self.words.push(Located {
                    text: answer.text,
                    position: self.position,
                    prefix: answer.prefix,
                });
            }
            Ok(())
        })
    }
}
