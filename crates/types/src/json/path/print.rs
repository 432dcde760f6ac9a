//! A path's canonical text.

use super::*;
use crate::json::escape_json;
use std::fmt;

fn quoted(s: &str) -> String {
    let mut out = Vec::new();
    escape_json(&mut out, s);
    String::from_utf8(out).expect("made of text")
}

/// How tightly an operator binds.
fn priority(kind: &Kind) -> u8 {
    match kind {
        Kind::Or(..) => 0,
        Kind::And(..) => 1,
        Kind::Compare(..) | Kind::StartsWith(..) => 2,
        Kind::Arith(Arith::Add | Arith::Sub, ..) => 3,
        Kind::Arith(..) => 4,
        Kind::Plus(_) | Kind::Minus(_) => 5,
        _ => 6,
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.lax {
            f.write_str("strict ")?;
        }
        write(f, &self.root, false, true)
    }
}

fn binary(
    f: &mut fmt::Formatter<'_>,
    node: &Node,
    op: &str,
    a: &Node,
    b: &Node,
    brackets: bool,
) -> fmt::Result {
    let p = priority(&node.kind);
    if brackets {
        f.write_str("(")?;
    }
    write(f, a, false, priority(&a.kind) <= p)?;
    write!(f, " {op} ")?;
    write(f, b, false, priority(&b.kind) <= p)?;
    if brackets {
        f.write_str(")")?;
    }
    Ok(())
}

fn write(f: &mut fmt::Formatter<'_>, node: &Node, in_key: bool, brackets: bool) -> fmt::Result {
    let dot = if in_key { "." } else { "" };
    match &node.kind {
        Kind::Null => f.write_str("null")?,
        Kind::Bool(b) => write!(f, "{b}")?,
        Kind::Number(n) if node.next.is_some() => write!(f, "({n})")?,
        Kind::Number(n) => write!(f, "{n}")?,
        Kind::String(s) => f.write_str(&quoted(s))?,
        Kind::Variable(s) => write!(f, "${}", quoted(s))?,
        Kind::Root => f.write_str("$")?,
        Kind::Current => f.write_str("@")?,
        Kind::Last => f.write_str("last")?,
        Kind::Key(s) => write!(f, "{dot}{}", quoted(s))?,
        Kind::AnyKey => write!(f, "{dot}*")?,
        Kind::AnyArray => f.write_str("[*]")?,
        Kind::Index(list) => {
            f.write_str("[")?;
            for (i, (from, to)) in list.iter().enumerate() {
                if i > 0 {
                    f.write_str(",")?;
                }
                write(f, from, false, false)?;
                if let Some(to) = to {
                    f.write_str(" to ")?;
                    write(f, to, false, false)?;
                }
            }
            f.write_str("]")?;
        }
        Kind::Any(first, last) => {
            f.write_str(dot)?;
            match (*first, *last) {
                (0, u32::MAX) => f.write_str("**")?,
                (u32::MAX, u32::MAX) => f.write_str("**{last}")?,
                (a, b) if a == b => write!(f, "**{{{a}}}")?,
                (u32::MAX, b) => write!(f, "**{{last to {b}}}")?,
                (a, u32::MAX) => write!(f, "**{{{a} to last}}")?,
                (a, b) => write!(f, "**{{{a} to {b}}}")?,
            }
        }
        Kind::Filter(a) => {
            f.write_str("?(")?;
            write(f, a, false, false)?;
            f.write_str(")")?;
        }
        Kind::Method(m) => write!(f, ".{}()", m.name())?,
        Kind::Datetime(None) => f.write_str(".datetime()")?,
        Kind::Datetime(Some(t)) => write!(f, ".datetime({})", quoted(t))?,
        Kind::And(a, b) => binary(f, node, "&&", a, b, brackets)?,
        Kind::Or(a, b) => binary(f, node, "||", a, b, brackets)?,
        Kind::Compare(op, a, b) => {
            let op = match op {
                Comparison::Equal => "==",
                Comparison::NotEqual => "!=",
                Comparison::Less => "<",
                Comparison::Greater => ">",
                Comparison::LessOrEqual => "<=",
                Comparison::GreaterOrEqual => ">=",
            };
            binary(f, node, op, a, b, brackets)?;
        }
        Kind::StartsWith(a, b) => binary(f, node, "starts with", a, b, brackets)?,
        Kind::Arith(op, a, b) => {
            let op = match op {
                Arith::Add => "+",
                Arith::Sub => "-",
                Arith::Mul => "*",
                Arith::Div => "/",
                Arith::Mod => "%",
            };
            binary(f, node, op, a, b, brackets)?;
        }
        Kind::LikeRegex(a, pattern, flags) => {
            if brackets {
                f.write_str("(")?;
            }
            write(f, a, false, priority(&a.kind) <= priority(&node.kind))?;
            write!(f, " like_regex {}", quoted(pattern))?;
            let letters =
                [(flags.ignore_case, "i"), (flags.dot_all, "s"), (flags.multi_line, "m"), (flags.quote, "q")];
            if letters.iter().any(|l| l.0) {
                f.write_str(" flag \"")?;
                for (_, letter) in letters.iter().filter(|l| l.0) {
                    f.write_str(letter)?;
                }
                f.write_str("\"")?;
            }
            if brackets {
                f.write_str(")")?;
            }
        }
        Kind::Not(a) => {
            f.write_str("!(")?;
            write(f, a, false, false)?;
            f.write_str(")")?;
        }
        Kind::IsUnknown(a) => {
            f.write_str("(")?;
            write(f, a, false, false)?;
            f.write_str(") is unknown")?;
        }
        Kind::Exists(a) => {
            f.write_str("exists (")?;
            write(f, a, false, false)?;
            f.write_str(")")?;
        }
        Kind::Plus(a) | Kind::Minus(a) => {
            if brackets {
                f.write_str("(")?;
            }
            f.write_str(if matches!(node.kind, Kind::Plus(_)) { "+" } else { "-" })?;
            write(f, a, false, priority(&a.kind) <= priority(&node.kind))?;
            if brackets {
                f.write_str(")")?;
            }
        }
    }
    match &node.next {
        Some(next) => write(f, next, true, true),
        None => Ok(()),
    }
}
