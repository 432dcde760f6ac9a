//! The text that every match of a pattern begins with (PostgreSQL: regprefix.c).
//!
//! The automaton is followed from the text's begin on for as long as there is one way to go, by one character.

use super::Pattern;
use super::nfa::{Label, Nfa};
use super::parse::{Atom, Constraint, Parsed, Piece};

/// So long may a prefix get.
const CHARS_MAX: usize = 1000;

/// What all texts with a match begin with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FixedPrefix {
    pub text: String,
    /// Only this text matches.
    pub exact: bool,
}

/// A pattern's fixed beginning; none: texts with a match may begin otherwise, or with anything.
pub(super) fn of(pattern: &Pattern) -> Option<FixedPrefix> {
    let parsed = &pattern.program.parsed;
    let whole = Piece::once(Atom::Group { number: None, body: parsed.root.clone() });
    let nfa = Nfa::new(parsed, &[whole], false).ok()?;
    let mut walk = Walk { parsed, nfa: &nfa };
    walk.run()
}

struct Walk<'a> {
    parsed: &'a Parsed,
    nfa: &'a Nfa,
}

/// The arcs that leave a set of states with a label that counts.
struct Out {
    arcs: Vec<(Label, u32)>,
    /// The pattern's end is among the states.
    accepts: bool,
}

impl Walk<'_> {
    fn run(&mut self) -> Option<FixedPrefix> {
        let begin = Label::Constraint(Constraint::TextBegin);
        let first = self.out(&[self.nfa.start], &[]);
        if first.accepts || first.arcs.is_empty() || first.arcs.iter().any(|(label, _)| *label != begin) {
            return None;
        }
        let mut at: Vec<u32> = first.arcs.iter().map(|(_, to)| *to).collect();
        let mut text = String::new();
        let mut chars = 0;
        let out = loop {
            let out = self.out(&at, &[Constraint::TextBegin]);
            let Some(c) = self.only_character(&out).filter(|_| chars < CHARS_MAX) else { break Some(out) };
            text.push(c);
            chars += 1;
            at = out.arcs.iter().map(|(_, to)| *to).collect();
            at.sort_unstable();
            at.dedup();
            if at.len() > 1 {
                break None;
            }
        };
        let exact = out.is_some_and(|out| self.ends(&out));
        (exact || !text.is_empty()).then_some(FixedPrefix { text, exact })
    }

    /// What leaves the states, where the constraints of `held` hold.
    fn out(&self, states: &[u32], held: &[Constraint]) -> Out {
        let mut seen = vec![false; self.nfa.arcs.len()];
        let mut left = states.to_vec();
        let mut out = Out { arcs: vec![], accepts: false };
        while let Some(state) = left.pop() {
            if std::mem::replace(&mut seen[state as usize], true) {
                continue;
            }
            out.accepts |= state == self.nfa.accept;
            for (label, to) in &self.nfa.arcs[state as usize] {
                match label {
                    Label::Empty => left.push(*to),
                    Label::Constraint(c) if held.contains(c) => left.push(*to),
                    _ => out.arcs.push((*label, *to)),
                }
            }
        }
        out
    }

    /// The character that all arcs need, if it is one.
    fn only_character(&self, out: &Out) -> Option<char> {
        if out.accepts {
            return None;
        }
        let mut found = None;
        for (label, _) in &out.arcs {
            let Label::Set(id) = label else { return None };
            let [(low, high)] = self.parsed.sets[*id as usize].ranges() else { return None };
            if low != high || found.is_some_and(|c| c != *low) {
                return None;
            }
            found = Some(*low);
        }
        found.and_then(char::from_u32)
    }

    /// Whether nothing but the text's end may follow.
    fn ends(&self, out: &Out) -> bool {
        let end = Label::Constraint(Constraint::TextEnd);
        if out.accepts || out.arcs.is_empty() || out.arcs.iter().any(|(label, _)| *label != end) {
            return false;
        }
        let after: Vec<u32> = out.arcs.iter().map(|(_, to)| *to).collect();
        let last = self.out(&after, &[Constraint::TextBegin, Constraint::TextEnd]);
        last.accepts && last.arcs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Flags, kept};
    use super::*;

    fn prefix(pattern: &str, ignore_case: bool) -> Option<(String, bool)> {
        let flags = Flags { ignore_case, ..Flags::default() };
        of(&kept(pattern, flags).unwrap()).map(|p| (p.text, p.exact))
    }

    fn begins(pattern: &str, text: &str) {
        assert_eq!(prefix(pattern, false), Some((text.to_string(), false)), "{pattern}");
    }

    fn is(pattern: &str, text: &str) {
        assert_eq!(prefix(pattern, false), Some((text.to_string(), true)), "{pattern}");
    }

    #[test]
    fn beginnings() {
        begins("^abc", "abc");
        begins("^abc*", "ab");
        begins("^abc+d", "abc");
        begins("^ab.*", "ab");
        begins("^a\\.b", "a.b");
        begins("^a\\d", "a");
        begins("^(abc)", "abc");
        begins("^ab(cde|cxy)", "abc");
        begins("^(foo|foobar)$", "f");
        begins("^a{2,3}b", "aa");
        begins("^abc\\M", "abc");
        begins("^(?:ab)+$", "ab");
        begins("^(a)\\1", "aa");
        begins("^(abc|abc)d", "a");
        begins("\\Aab\\$c", "ab$c");
        for none in ["abc", "^abc|x", "^a{0,1}b", "^", "", "(^a|b)", "(?n)^abc", "^[ab]c", "a^b"] {
            assert_eq!(prefix(none, false), None, "{none}");
        }
    }

    #[test]
    fn whole_texts() {
        is("^abc$", "abc");
        is("^(abc)$", "abc");
        is("^((abc)$)", "abc");
        is("^$", "");
        is("^(?:a(b)c)$", "abc");
        is("^(table\\.x)$", "table.x");
        is("^a{3}$", "aaa");
        is("^abc\\Z", "abc");
        is("^(^abc$)$", "abc");
    }

    #[test]
    fn letters_have_two_forms_where_case_does_not_count() {
        assert_eq!(prefix("^12ab", true), Some(("12".to_string(), false)));
        assert_eq!(prefix("^ab", true), None);
        assert_eq!(prefix("^(12)$", true), Some(("12".to_string(), true)));
    }
}
