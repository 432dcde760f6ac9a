//! jsonb to text.

use super::*;
use crate::json::escape_json;

fn put_scalar(out: &mut Vec<u8>, v: Value<'_>) {
    match v {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::String(s) => escape_json(out, s),
        Value::Number(n) => n.write(out),
        Value::Array(_) | Value::Object(_) => unreachable!("containers are written by their parts"),
    }
}

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.resize(out.len() + depth * 4, b' ');
}

fn write(out: &mut Vec<u8>, v: Value<'_>, pretty: bool) {
    let mut open: Vec<(Container<'_>, usize)> = Vec::new();
    let mut next = Some(v);
    loop {
        match next.take() {
            Some(Value::Array(c)) => {
                out.push(b'[');
                open.push((c, 0));
            }
            Some(Value::Object(c)) => {
                out.push(b'{');
                open.push((c, 0));
            }
            Some(scalar) => put_scalar(out, scalar),
            None => {}
        }
        let depth = open.len();
        let Some((c, at)) = open.last_mut() else { return };
        if *at == c.len() {
            let close = if c.is_object() { b'}' } else { b']' };
            open.pop();
            if pretty {
                new_line(out, open.len());
            }
            out.push(close);
            continue;
        }
        if *at > 0 {
            out.push(b',');
        }
        if pretty {
            new_line(out, depth);
        } else if *at > 0 {
            out.push(b' ');
        }
        next = Some(if c.is_object() {
            escape_json(out, c.key(*at));
            out.extend_from_slice(b": ");
            c.value(*at)
        } else {
            c.element(*at)
        });
        *at += 1;
    }
}

impl Value<'_> {
    /// Appends the value's text as `jsonb_out` prints it.
    pub fn write(self, out: &mut Vec<u8>) {
        write(out, self, false);
    }
    /// Appends the value's text as `jsonb_pretty` prints it.
    pub fn write_pretty(self, out: &mut Vec<u8>) {
        write(out, self, true);
    }
    /// The value's text.
    pub fn to_text(self) -> String {
        let mut out = Vec::new();
        self.write(&mut out);
        String::from_utf8(out).expect("made of text")
    }
    /// What `->>` returns: a string's content, other values' text; none: JSON null.
    pub fn as_text(self) -> Option<String> {
        match self {
            Value::Null => None,
            Value::String(s) => Some(s.to_string()),
            other => Some(other.to_text()),
        }
    }
}
