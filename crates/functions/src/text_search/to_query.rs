//! `to_tsquery` and its sisters: the words of a query through the dictionaries.

use super::Config;
use super::lexize::Lexemes;
use crate::SessionEnv;
use quarry_common::{Result, Severity};
use quarry_types::textsearch::parse::{Nodes, Style, WordSink, parse};
use quarry_types::textsearch::tree::Tree;
use quarry_types::textsearch::{Op, limit_position, no_lexemes, only_stop_words};

/// Puts lexemes in a word's place: those of one position ORed, positions joined.
struct Morph<'a> {
    config: &'a Config,
    env: &'a dyn SessionEnv,
    /// Joins what one word comes apart into.
    join: Op,
}

impl WordSink for Morph<'_> {
    fn push(&mut self, out: &mut Nodes<'_>, text: &str, weights: u8, prefix: bool) -> Result<()> {
        let mut lexemes = Lexemes::default();
        lexemes.add(self.config, self.env, text)?;
        if lexemes.words.is_empty() {
            out.stop();
            return Ok(());
        }
        let distance = u16::from(self.join == Op::Phrase);
        let mut position = 0;
        let mut positions = 0;
        let mut words = lexemes.words.into_iter().peekable();
        while let Some(word) = words.next() {
            let here = limit_position(word.position);
            // Stop words between two lexemes keep their places.
            while position > 0 && position + 1 < here {
                out.stop();
                if positions > 0 {
                    out.operator(self.join, distance);
                }
                positions += 1;
                position += 1;
            }
            position = here;
            out.word(word.text, weights, prefix || word.prefix)?;
            while let Some(same) = words.next_if(|w| limit_position(w.position) == here) {
                out.word(same.text, weights, prefix || same.prefix)?;
                out.operator(Op::And, 0);
            }
            if positions > 0 {
                out.operator(self.join, distance);
            }
            positions += 1;
        }
        Ok(())
    }
}

/// The query of a text.
pub fn query(config: &Config, env: &dyn SessionEnv, text: &str, style: Style, join: Op) -> Result<Vec<u8>> {
    let nodes = parse(text, style, &mut Morph { config, env, join })?;
    let tree = match Tree::from_nodes(nodes)? {
        None => {
            env.notice(Severity::Notice, no_lexemes(text));
            None
        }
        Some(tree) => {
            let left = tree.without_stops();
            if left.is_none() {
                env.notice(Severity::Notice, only_stop_words());
            }
            left
        }
    };
    Tree::to_stored(tree.as_ref())
}
