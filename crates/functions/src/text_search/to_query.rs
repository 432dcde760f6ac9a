//! `to_tsquery` and its sisters: the words of a query through the dictionaries.

use super::Config;
use super::lexize::{Lexemes, Located};
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
        let mut words = lexemes.words.iter().peekable();
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
            // Parts of a word are joined by AND, alternatives by OR.
            let mut part = Some(word);
            let mut alternatives = 0;
            while let Some(first) = part {
                out.word(lexemes.text(first).to_owned(), weights, prefix || first.prefix)?;
                let same = |w: &&Located| limit_position(w.position) == here && w.variant == first.variant;
                while let Some(more) = words.next_if(same) {
                    out.word(lexemes.text(more).to_owned(), weights, prefix || more.prefix)?;
                    out.operator(Op::And, 0);
                }
                if alternatives > 0 {
                    out.operator(Op::Or, 0);
                }
                alternatives += 1;
                part = words.next_if(|w| limit_position(w.position) == here);
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
