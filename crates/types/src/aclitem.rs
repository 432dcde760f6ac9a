//! aclitem: what one role granted another on an object.
//!
//! Stored form: u32 grantee (0: PUBLIC), u32 grantor, u32 rights (privileges in bits 0-15, grant options in 16-31), all
//! little-endian. Text: `grantee=rights/grantor`, `*` after a right that may be granted on.

use crate::io::RegKind;
use crate::{Datum, IoContext, TypeInfo};
use bytes::Bytes;
use quarry_common::{Error, Oid, Result, bail, err};
use std::cmp::Ordering;

/// The letter of each privilege bit, from bit 0: INSERT, SELECT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER,
/// EXECUTE, USAGE, CREATE, TEMPORARY, CONNECT, SET, ALTER SYSTEM.
pub const LETTERS: &[u8; 14] = b"arwdDxtXUCTcsA";

/// One grant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AclItem {
    /// Invalid: PUBLIC.
    pub grantee: Oid,
    pub grantor: Oid,
    /// Bits as in [`LETTERS`].
    pub privileges: u16,
    /// Those of them that the grantee may grant on.
    pub grant_options: u16,
}

impl AclItem {
    pub fn to_datum(self) -> Datum {
        let mut bytes = Vec::with_capacity(12);
        bytes.extend_from_slice(&self.grantee.0.to_le_bytes());
        bytes.extend_from_slice(&self.grantor.0.to_le_bytes());
        bytes.extend_from_slice(&self.privileges.to_le_bytes());
        bytes.extend_from_slice(&self.grant_options.to_le_bytes());
        Datum::Bytes(Bytes::from(bytes))
    }
    /// Of a datum of type aclitem.
    pub fn of(datum: &Datum) -> AclItem {
        let b = datum.as_bytes();
        let u32_at = |at: usize| Oid(u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]));
        let u16_at = |at: usize| u16::from_le_bytes([b[at], b[at + 1]]);
        AclItem { grantee: u32_at(0), grantor: u32_at(4), privileges: u16_at(8), grant_options: u16_at(10) }
    }
}

/// A role name up to `end`, double quotes taken off; and what follows.
fn name(text: &str, end: char) -> (String, &str) {
    let mut out = String::new();
    let mut quoted = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '"' {
            if quoted && chars.peek().is_some_and(|(_, next)| *next == '"') {
                out.push('"');
                chars.next();
            } else {
                quoted = !quoted;
            }
        } else if c == end && !quoted {
            return (out, &text[at..]);
        } else {
            out.push(c);
        }
    }
    (out, "")
}

fn invalid_mode(c: char) -> Error {
    err!(
        INVALID_TEXT_REPRESENTATION,
        "invalid mode character: must be one of \"{}\"",
        std::str::from_utf8(LETTERS).expect("letters are ASCII")
    )
    .detail(format!("Found \"{c}\"."))
}

pub(crate) fn input(_: &TypeInfo, text: &str, _: i32, cx: &IoContext<'_>) -> Result<Datum> {
    let (grantee, rest) = name(text.trim_start(), '=');
    let Some(rest) = rest.strip_prefix('=') else {
        return Err(err!(INVALID_TEXT_REPRESENTATION, "missing \"=\" sign"));
    };
    let (mut privileges, mut grant_options, mut last) = (0u16, 0u16, 0u16);
    let mut chars = rest.char_indices();
    let mut grantor = "";
    for (at, c) in &mut chars {
        match c {
            '/' => {
                grantor = &rest[at + 1..];
                break;
            }
            '*' => grant_options |= last,
            c => {
                let bit = LETTERS.iter().position(|l| char::from(*l) == c).ok_or_else(|| invalid_mode(c))?;
                last = 1 << bit;
                privileges |= last;
            }
        }
    }
    if grantor.is_empty() {
        bail!(INVALID_TEXT_REPRESENTATION, "a name must follow the \"/\" sign");
    }
    let role = |n: &str| cx.names.reg_in(RegKind::Role, &format!("\"{}\"", n.replace('"', "\"\"")));
    let grantee = if grantee.is_empty() { Oid::INVALID } else { role(&grantee)? };
    let grantor = role(&name(grantor, '\0').0)?;
    Ok(AclItem { grantee, grantor, privileges, grant_options }.to_datum())
}

pub(crate) fn output(_: &TypeInfo, v: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    let item = AclItem::of(v);
    let role = |oid: Oid| cx.names.reg_out(RegKind::Role, oid).unwrap_or_else(|| oid.to_string());
    if item.grantee.is_valid() {
        out.extend_from_slice(role(item.grantee).as_bytes());
    }
    out.push(b'=');
    for (bit, letter) in LETTERS.iter().enumerate() {
        if item.privileges >> bit & 1 == 1 {
            out.push(*letter);
            if item.grant_options >> bit & 1 == 1 {
                out.push(b'*');
            }
        }
    }
    out.push(b'/');
    out.extend_from_slice(role(item.grantor).as_bytes());
    Ok(())
}

pub(crate) fn compare(a: &Datum, b: &Datum) -> Ordering {
    AclItem::of(a).cmp(&AclItem::of(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::ObjectNames;

    struct Roles;

    impl ObjectNames for Roles {
        fn reg_in(&self, _: RegKind, text: &str) -> Result<Oid> {
            Ok(if text == "\"postgres\"" { Oid(10) } else { Oid(20_000) })
        }
        fn reg_out(&self, _: RegKind, oid: Oid) -> Option<String> {
            Some(if oid == Oid(10) { "postgres".into() } else { "\"a b\"".into() })
        }
    }

    #[test]
    fn text_round_trips() {
        let cx = IoContext { names: &Roles, ..IoContext::default() };
        let t = crate::type_info(crate::oids::ACLITEM).unwrap();
        for text in ["postgres=arwdDxt/postgres", "=r/postgres", "\"a b\"=r*w/postgres", "=/postgres"] {
            let v = t.input(text, -1, &cx).unwrap();
            assert_eq!(t.output_string(&v, &cx).unwrap(), text);
        }
        assert!(t.input("postgres", -1, &cx).is_err());
        assert!(t.input("postgres=q/postgres", -1, &cx).is_err());
        assert!(t.input("postgres=r", -1, &cx).is_err());
    }
}
