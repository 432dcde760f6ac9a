//! A statement's fingerprint: the same for texts that differ only in constants, white space, comments and
//! the case of words.

use super::{Token, TokenKind};

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(hash: u64, value: u64) -> u64 {
    (hash ^ value).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29)
}

/// Hashes the tokens of a statement in `sql`. Constants count by their kind only; parameters by their number.
pub fn fingerprint(sql: &str, tokens: &[Token]) -> u64 {
    let bytes = sql.as_bytes();
    let mut hash = SEED;
    for token in tokens {
        let text = &bytes[token.start as usize..token.end as usize];
        hash = match token.kind {
            TokenKind::Keyword(kw) => mix(hash, 0x1_0000 + kw as u64),
            TokenKind::Integer(_) | TokenKind::Float => mix(hash, 1),
            TokenKind::String(_) => mix(hash, 2),
            TokenKind::BitString(_) | TokenKind::HexString(_) => mix(hash, 3),
            TokenKind::Param(n) => mix(hash, 0x2_0000_0000 + u64::from(n as u32)),
            TokenKind::Eof | TokenKind::Semicolon => hash,
            TokenKind::Ident => {
                text.iter().fold(mix(hash, 4), |h, c| mix(h, u64::from(c.to_ascii_lowercase())))
            }
            _ => text.iter().fold(mix(hash, 5), |h, c| mix(h, u64::from(*c))),
        };
    }
    hash
}
