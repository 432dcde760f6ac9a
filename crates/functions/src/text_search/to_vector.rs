//! `to_tsvector`: of texts and of json's values.

use super::Config;
use super::lexize::{Lexemes, Located};
use crate::SessionEnv;
use quarry_common::{Result, err};
use quarry_types::json::{jsonb, lexer};
use quarry_types::textsearch::{POSITION_LIMIT, POSITIONS_MAX, VectorBuilder, limit_position};

/// The vector of a text.
pub fn of_text(config: &Config, env: &dyn SessionEnv, text: &str) -> Result<Vec<u8>> {
    let mut lexemes = Lexemes::default();
    lexemes.add(config, env, text)?;
    vector(&lexemes)
}

/// The vector of lexemes in any order (`make_tsvector`).
fn vector(lexemes: &Lexemes) -> Result<Vec<u8>> {
    // The first eight bytes decide most comparisons.
    let head = |text: &[u8]| {
        let mut first = [0; 8];
        let len = text.len().min(8);
        first[..len].copy_from_slice(&text[..len]);
        u64::from_be_bytes(first)
    };
    let located = |w: &Located| {
        let text = lexemes.text(w).as_bytes();
        (head(text), text, w.position)
    };
    let mut words: Vec<(u64, &[u8], u64)> = lexemes.words.iter().map(located).collect();
    words.sort_unstable();
    let mut out = VectorBuilder::new();
    let mut positions: Vec<u16> = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some((_, word, position)) = words.next() {
        positions.clear();
        positions.push(limit_position(position));
        while let Some((_, _, same)) = words.next_if(|w| w.1 == word) {
            let (p, last) = (limit_position(same), positions[positions.len() - 1]);
            if positions.len() < POSITIONS_MAX - 1 && last != POSITION_LIMIT - 1 && last != p {
                positions.push(p);
            }
        }
        out.push(word, positions.iter().copied());
    }
    out.finish()
}

/// Which of json's values are looked at.
#[derive(Clone, Copy, Default, Debug)]
pub struct JsonParts {
    keys: bool,
    strings: bool,
    numbers: bool,
    booleans: bool,
}

impl JsonParts {
    /// What `to_tsvector` looks at.
    pub const STRINGS: JsonParts = JsonParts { keys: false, strings: true, numbers: false, booleans: false };

    /// Of the flags that `jsonb_to_tsvector` takes.
    pub fn parse(flags: &[u8]) -> Result<JsonParts> {
        let hint = "Possible values are: \"string\", \"numeric\", \"boolean\", \"key\", and \"all\".";
        let mut parts = JsonParts::default();
        let mut add = |v: jsonb::Value<'_>| -> Result<()> {
            let jsonb::Value::String(name) = v else {
                return Err(err!(INVALID_PARAMETER_VALUE, "flag array element is not a string").hint(hint));
            };
            match name.to_ascii_lowercase().as_str() {
                "string" => parts.strings = true,
                "numeric" => parts.numbers = true,
                "boolean" => parts.booleans = true,
                "key" => parts.keys = true,
                "all" => parts = JsonParts { keys: true, strings: true, numbers: true, booleans: true },
                _ => {
                    return Err(
                        err!(INVALID_PARAMETER_VALUE, "wrong flag in flag array: \"{name}\"").hint(hint)
                    );
                }
            }
            Ok(())
        };
        match jsonb::Value::root(flags) {
            jsonb::Value::Array(c) => c.elements().try_for_each(&mut add)?,
            scalar if scalar.is_scalar() => add(scalar)?,
            _ => {
                return Err(err!(
                    INVALID_PARAMETER_VALUE,
                    "wrong flag type, only arrays and scalars are allowed"
                ));
            }
        }
        Ok(parts)
    }
}

/// Takes the texts of one json value after another.
struct Collector<'a> {
    config: &'a Config,
    env: &'a dyn SessionEnv,
    lexemes: Lexemes,
}

impl Collector<'_> {
    fn add(&mut self, text: &str) -> Result<()> {
        let before = self.lexemes.words.len();
        self.lexemes.add(self.config, self.env, text)?;
        if self.lexemes.words.len() > before {
            // No phrase goes across values.
            self.lexemes.position += 1;
        }
        Ok(())
    }
    fn jsonb(&mut self, value: jsonb::Value<'_>, parts: JsonParts) -> Result<()> {
        match value {
            jsonb::Value::Array(c) => c.elements().try_for_each(|v| self.jsonb(v, parts)),
            jsonb::Value::Object(c) => c.pairs().try_for_each(|(k, v)| {
                if parts.keys {
                    self.add(k)?;
                }
                self.jsonb(v, parts)
            }),
            jsonb::Value::String(s) if parts.strings => self.add(s),
            v @ jsonb::Value::Number(_) if parts.numbers => self.add(&v.to_text()),
            v @ jsonb::Value::Bool(_) if parts.booleans => self.add(&v.to_text()),
            _ => Ok(()),
        }
    }
    fn json(&mut self, lexer: &mut lexer::Lexer<'_>, parts: JsonParts) -> Result<()> {
        use lexer::Token as T;
        match lexer.token() {
            T::ObjectStart => {
                let this = &mut *self;
                lexer.object_fields(|l, key| {
                    if parts.keys {
                        this.add(key)?;
                    }
                    this.json(l, parts)
                })
            }
            T::ArrayStart => lexer.array_elements(|l| self.json(l, parts)),
            token => {
                match token {
                    T::String if parts.strings => self.add(lexer.string())?,
                    T::Number if parts.numbers => self.add(lexer.token_text())?,
                    T::True | T::False if parts.booleans => self.add(lexer.token_text())?,
                    _ => {}
                }
                lexer.advance()
            }
        }
    }
}

/// The vector of a jsonb's values.
pub fn of_jsonb(config: &Config, env: &dyn SessionEnv, stored: &[u8], parts: JsonParts) -> Result<Vec<u8>> {
    let mut all = Collector { config, env, lexemes: Lexemes::default() };
    all.jsonb(jsonb::Value::root(stored), parts)?;
    vector(&all.lexemes)
}

/// The vector of a json's values.
pub fn of_json(config: &Config, env: &dyn SessionEnv, text: &str, parts: JsonParts) -> Result<Vec<u8>> {
    let mut all = Collector { config, env, lexemes: Lexemes::default() };
    let mut lexer = lexer::Lexer::new(text, true);
    lexer.advance()?;
    all.json(&mut lexer, parts)?;
    vector(&all.lexemes)
}
