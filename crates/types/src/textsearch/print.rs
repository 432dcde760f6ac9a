//! tsquery's text.

use super::query::{Item, Op, Query};
use super::{DEPTH_MAX, too_deep};
use quarry_common::Result;

/// Appends the query in infix notation, with as few parentheses as are needed.
pub fn write_query(q: &Query<'_>, out: &mut Vec<u8>) -> Result<()> {
    if q.is_empty() { Ok(()) } else { node(q, 0, -1, false, 0, out) }
}

/// A lexeme in quotes, quotes and backslashes doubled.
pub fn write_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    for b in text {
        if matches!(b, b'\'' | b'\\') {
            out.push(*b);
        }
        out.push(*b);
    }
    out.push(b'\'');
}

fn node(
    q: &Query<'_>,
    i: usize,
    parent: i32,
    right_of_phrase: bool,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    let (op, distance) = match q.items[i] {
        Item::Word { text, weights, prefix } => {
            write_quoted(text.as_bytes(), out);
            if weights != 0 || prefix {
                out.push(b':');
            }
            if prefix {
                out.push(b'*');
            }
            for (bit, letter) in [(8, b'A'), (4, b'B'), (2, b'C'), (1, b'D')] {
                if weights & bit != 0 {
                    out.push(letter);
                }
            }
            return Ok(());
        }
        Item::Operator { op, distance, .. } => (op, distance),
    };
    let priority = op.priority();
    let parentheses = priority < parent || op == Op::Phrase && right_of_phrase;
    if parentheses {
        out.extend_from_slice(b"( ");
    }
    if op == Op::Not {
        out.push(b'!');
        node(q, i + 1, priority, false, depth + 1, out)?;
    } else {
        node(q, q.left_of(i), priority, false, depth + 1, out)?;
        match op {
            Op::Or => out.extend_from_slice(b" | "),
            Op::And => out.extend_from_slice(b" & "),
            _ if distance == 1 => out.extend_from_slice(b" <-> "),
            _ => out.extend_from_slice(format!(" <{distance}> ").as_bytes()),
        }
        node(q, i + 1, priority, op == Op::Phrase, depth + 1, out)?;
    }
    if parentheses {
        out.extend_from_slice(b" )");
    }
    Ok(())
}
