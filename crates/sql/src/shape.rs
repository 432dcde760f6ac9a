//! The shape of a short statement: its text without its constants, so that texts which differ only there can share a plan.
//!
//! Applications that put values into the text (the simple protocol, drivers that interpolate) send the same few statements over
//! and over. A [`Shape`] is made once, from tokens, with parameters in the place of constants; from then on a text is
//! recognised by comparing the pieces between the constants byte by byte, without scanning or parsing it.
//!
//! Only constants whose meaning can't depend on where they stand are lifted: operands, arguments and values behind WHERE, ON, HAVING,
//! SET or VALUES, as far as the clause goes. All others are part of a piece and must be the same.

use crate::ast::Statement;
use crate::lexer::{self, Kw, LexOptions, Token, TokenKind, Value};
use crate::parse;

/// What a lifted constant is, as the scanner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstantKind {
    /// Digits that fit int4.
    Int4,
    /// Digits with a decimal point.
    Numeric,
    /// A plain string: of type unknown.
    Text,
}

/// A constant of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constant<'t> {
    pub kind: ConstantKind,
    /// The number as written, with its sign; the string without its quotes.
    pub text: &'t str,
}

/// The place of a constant.
#[derive(Clone, Copy, Debug)]
struct Slot {
    kind: ConstantKind,
    /// A minus directly before the number is its sign.
    signed: bool,
}

/// A text without its constants.
#[derive(Debug)]
pub struct Shape {
    /// One more than there are slots.
    pieces: Box<[Box<str>]>,
    slots: Box<[Slot]>,
    options: LexOptions,
}

/// A shape, and the statement with `$1`, `$2`, ... in the place of the constants, in the order of the text.
#[derive(Debug)]
pub struct Lifted {
    pub shape: Shape,
    pub statement: Statement,
}

impl Shape {
    /// Lifts the constants of a text of one statement; none if the statement isn't of a kind that this is done for.
    pub fn lift(sql: &str, options: LexOptions) -> Option<Lifted> {
        let mut lexed = lexer::lex_with(sql, options);
        if lexed.error.is_some() || !lexed.notices.is_empty() {
            return None;
        }
        let tokens = &lexed.tokens;
        if !is_candidate(tokens) {
            return None;
        }
        let mut lifted: Vec<Token> = Vec::with_capacity(tokens.len());
        let (mut pieces, mut slots) = (Vec::new(), Vec::new());
        let mut piece_start = 0;
        // Whether constants are lifted here, and outside of each parenthesis around.
        let (mut lifting, mut outside) = (false, vec![]);
        for (i, &token) in tokens.iter().enumerate() {
            match token.kind {
                TokenKind::LeftParen => outside.push(lifting),
                TokenKind::RightParen => lifting = outside.pop().unwrap_or(false),
                TokenKind::Keyword(kw) => lifting = lifts_behind(kw, previous(tokens, i)).unwrap_or(lifting),
                _ => {}
            }
            let place = if lifting { slot(sql, options, tokens, i) } else { None };
            let Some((slot, start)) = place else {
                lifted.push(token);
                continue;
            };
            if start < token.start as usize {
                // The minus is the number's sign.
                lifted.pop();
            }
            pieces.push(Box::from(&sql[piece_start..start]));
            piece_start = token.end as usize;
            slots.push(slot);
            lifted.push(Token {
                kind: TokenKind::Param(slots.len() as i32),
                start: start as u32,
                end: token.end,
            });
        }
        pieces.push(Box::from(&sql[piece_start..]));
        lexed.tokens = lifted;
        let statement = parse::parse_one(sql, lexed).ok()?;
        Some(Lifted { shape: Shape { pieces: pieces.into(), slots: slots.into(), options }, statement })
    }

    /// The shape of this text alone.
    pub fn exact(sql: &str, options: LexOptions) -> Shape {
        Shape { pieces: Box::new([Box::from(sql)]), slots: Box::new([]), options }
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        let pieces: usize = self.pieces.iter().map(|p| p.len() + size_of::<Box<str>>()).sum();
        pieces + self.slots.len() * size_of::<Slot>()
    }

    /// The kinds of the constants, in the order of the text.
    pub fn kinds(&self) -> impl Iterator<Item = ConstantKind> + '_ {
        self.slots.iter().map(|s| s.kind)
    }

    /// The constants of `sql` if it is of this shape.
    pub fn constants<'t>(&self, sql: &'t str, options: LexOptions) -> Option<Vec<Constant<'t>>> {
        let (first, pieces) = self.pieces.split_first()?;
        let mut rest = sql.strip_prefix(&**first)?;
        if options != self.options {
            return None;
        }
        let mut constants = Vec::with_capacity(self.slots.len());
        for (slot, piece) in self.slots.iter().zip(pieces) {
            let (text, after) = slot.read(rest)?;
            constants.push(Constant { kind: slot.kind, text });
            rest = after.strip_prefix(&**piece)?;
        }
        rest.is_empty().then_some(constants)
    }
}

impl Slot {
    /// The constant that `text` begins with, and what follows it.
    fn read(self, text: &str) -> Option<(&str, &str)> {
        let bytes = text.as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        match self.kind {
            ConstantKind::Text => {
                let (value, after) = text.strip_prefix('\'')?.split_once('\'')?;
                // A doubled quote is left to the scanner.
                (!after.starts_with('\'')).then_some((value, after))
            }
            kind => {
                let start = usize::from(self.signed && bytes.first() == Some(&b'-'));
                let mut end = start + digits(start);
                if end == start {
                    return None;
                }
                if kind == ConstantKind::Int4 {
                    text[start..end].parse::<i32>().ok()?;
                } else {
                    if bytes.get(end) != Some(&b'.') {
                        return None;
                    }
                    let fraction = digits(end + 1);
                    if fraction == 0 {
                        return None;
                    }
                    end += 1 + fraction;
                }
                Some(text.split_at(end))
            }
        }
    }
}

/// One query without parameters of its own.
fn is_candidate(tokens: &[Token]) -> bool {
    let last = tokens.len() - 1;
    let begins = |kw| {
        matches!(kw, Kw::Select | Kw::Insert | Kw::Update | Kw::Delete | Kw::With | Kw::Values | Kw::Table)
    };
    matches!(tokens[0].kind, TokenKind::Keyword(kw) if begins(kw))
        && tokens.iter().enumerate().all(|(i, token)| match token.kind {
            TokenKind::Semicolon => i + 1 == last,
            TokenKind::Param(_) | TokenKind::Error | TokenKind::Other => false,
            _ => true,
        })
}

fn previous(tokens: &[Token], i: usize) -> Option<TokenKind> {
    i.checked_sub(1).map(|b| tokens[b].kind)
}

/// Whether constants behind a keyword are lifted; none: as before it.
fn lifts_behind(kw: Kw, previous: Option<TokenKind>) -> Option<bool> {
    match kw {
        Kw::Where | Kw::On | Kw::Having | Kw::Set | Kw::Values => Some(true),
        // IS DISTINCT FROM
        Kw::From if previous == Some(TokenKind::Keyword(Kw::Distinct)) => None,
        // Constants there name columns, give columns their types, or say how many rows are wanted.
        Kw::Select
        | Kw::From
        | Kw::Join
        | Kw::Using
        | Kw::Group
        | Kw::Order
        | Kw::Limit
        | Kw::Offset
        | Kw::Fetch
        | Kw::Window
        | Kw::Returning
        | Kw::Into
        | Kw::Union
        | Kw::Intersect
        | Kw::Except
        | Kw::For => Some(false),
        _ => None,
    }
}

/// Whether token `i` is a constant that can be lifted: its slot and where it begins, a sign included.
fn slot(sql: &str, options: LexOptions, tokens: &[Token], i: usize) -> Option<(Slot, usize)> {
    let token = tokens[i];
    let bytes = sql.as_bytes();
    let text = &sql[token.start as usize..token.end as usize];
    let kind = match token.kind {
        TokenKind::Integer(_) if text.bytes().all(|b| b.is_ascii_digit()) => ConstantKind::Int4,
        TokenKind::Float if is_decimal(text) => ConstantKind::Numeric,
        TokenKind::String(Value::Plain) if text.starts_with('\'') && options.conforming => ConstantKind::Text,
        _ => return None,
    };
    if !ends_operand(tokens[i + 1].kind)
        || bytes
            .get(token.end as usize)
            .is_some_and(|b| b.is_ascii_alphanumeric() || b"_.$'\"".contains(b) || *b >= 0x80)
    {
        return None;
    }
    let before = |at: usize| at.checked_sub(1).map(|b| tokens[b]);
    let free =
        |t: Token| bytes.get((t.start as usize).wrapping_sub(1)).is_some_and(|b| b" \t\r\n(,".contains(b));
    let previous = before(i)?;
    if kind != ConstantKind::Text
        && previous.kind == TokenKind::Minus
        && previous.end == token.start
        && free(previous)
        && before(i - 1).is_some_and(|t| begins_operand(t.kind))
    {
        return Some((Slot { kind, signed: true }, previous.start as usize));
    }
    begins_operand(previous.kind).then_some((Slot { kind, signed: free(token) }, token.start as usize))
}

/// Digits, a point, digits.
fn is_decimal(text: &str) -> bool {
    let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    text.split_once('.').is_some_and(|(whole, fraction)| all_digits(whole) && all_digits(fraction))
}

/// Behind such a token an operand begins: a minus there is a sign. Fewer words than there are: a plan hangs on it.
fn begins_operand(kind: TokenKind) -> bool {
    kind.is_operator()
        || matches!(
            kind,
            TokenKind::LeftParen
                | TokenKind::Comma
                | TokenKind::Keyword(
                    Kw::Where | Kw::On | Kw::Having | Kw::And | Kw::Or | Kw::Not | Kw::Between
                )
        )
}

/// Before such a token a constant is an operand by itself: no cast or subscript takes hold of it.
fn ends_operand(kind: TokenKind) -> bool {
    kind.is_operator()
        || matches!(
            kind,
            TokenKind::RightParen
                | TokenKind::Comma
                | TokenKind::Semicolon
                | TokenKind::Eof
                | TokenKind::Keyword(
                    Kw::And
                        | Kw::Or
                        | Kw::Where
                        | Kw::From
                        | Kw::Returning
                        | Kw::For
                        | Kw::Group
                        | Kw::Having
                        | Kw::Order
                        | Kw::Limit
                        | Kw::Offset
                        | Kw::Join
                        | Kw::Inner
                        | Kw::Left
                        | Kw::Right
                        | Kw::Full
                        | Kw::Cross
                )
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lift(sql: &str) -> Option<Lifted> {
        Shape::lift(sql, LexOptions::default())
    }

    fn texts<'t>(shape: &Shape, sql: &'t str) -> Option<Vec<&'t str>> {
        Some(shape.constants(sql, LexOptions::default())?.iter().map(|c| c.text).collect())
    }

    #[test]
    fn texts_of_one_shape_give_their_constants() {
        let shape = lift("UPDATE t SET a = a + 5, b = 'x' WHERE id = 7;").expect("a shape").shape;
        let found = texts(&shape, "UPDATE t SET a = a + -12, b = 'it is' WHERE id = 2147483647;");
        assert_eq!(found, Some(vec!["-12", "it is", "2147483647"]));
        for other in [
            "UPDATE t SET a = a + 5, b = 'x' WHERE id = 2147483648;",
            "UPDATE t SET a = a + 5, b = 'it''s' WHERE id = 7;",
            "UPDATE t SET a = a + 5.5, b = 'x' WHERE id = 7;",
            "UPDATE t SET a = a + 5, b = 'x' WHERE id = 7e1;",
            "UPDATE t SET a = a + 5, b = 'x' WHERE id = 7 OR true;",
            "UPDATE t SET a = a + 5, b = E'x' WHERE id = 7;",
            "UPDATE t SET a = a + --5, b = 'x' WHERE id = 7;",
        ] {
            assert_eq!(texts(&shape, other), None, "{other}");
        }
    }

    #[test]
    fn a_minus_is_a_sign_only_where_an_operand_begins() {
        let shape = lift("SELECT 1 FROM t WHERE a = b -5 AND c =7").expect("a shape").shape;
        assert_eq!(texts(&shape, "SELECT 1 FROM t WHERE a = b -6 AND c =8"), Some(vec!["6", "8"]));
        assert_eq!(
            texts(&shape, "SELECT 2 FROM t WHERE a = b -5 AND c =7"),
            None,
            "a result column is fixed"
        );
        assert_eq!(texts(&shape, "SELECT 1 FROM t WHERE a = b --5 AND c =7"), None);
        // `=-8` might be another operator.
        assert_eq!(texts(&shape, "SELECT 1 FROM t WHERE a = b -5 AND c =-8"), None);
    }

    #[test]
    fn constants_with_a_meaning_of_their_own_stay() {
        let kinds = |sql: &str| lift(sql).map(|l| l.shape.kinds().collect::<Vec<_>>());
        let one = Some(vec![ConstantKind::Int4]);
        assert_eq!(kinds("SELECT a, 7 FROM t WHERE b = 1 ORDER BY 1"), one);
        assert_eq!(kinds("SELECT a FROM t WHERE b = 1 GROUP BY 1 LIMIT 1 OFFSET 5"), one);
        assert_eq!(kinds("SELECT a FROM t WHERE b = interval '1 day' AND c = 1"), one);
        assert_eq!(kinds("SELECT a FROM t WHERE b = '5'::int AND c = date '2020-01-01' AND d = 1"), one);
        assert_eq!(kinds("SELECT a FROM t WHERE b IN (SELECT 5 FROM u LIMIT 3) AND d = 1"), one);
        assert_eq!(kinds("SELECT a FROM t JOIN generate_series(1, 5) g ON g = a WHERE d = 1"), one);
        assert_eq!(kinds("SELECT a FROM t WHERE b IS DISTINCT FROM 'x'::text AND d = 1"), one);
        assert_eq!(kinds("SELECT a FROM t WHERE d = CASE WHEN b THEN 5 ELSE 6 END AND d = 1"), one);
        assert!(lift("SELECT a FROM t WHERE b = 1; SELECT 2").is_none());
        assert!(lift("SELECT a FROM t WHERE b = $1").is_none());
    }

    #[test]
    fn constants_of_joins_lists_and_ranges_are_lifted() {
        let sql = "SELECT a FROM t JOIN u ON u.a = 1 LEFT JOIN v ON v.b = 2 WHERE t.c IN (3, 4) AND d BETWEEN 5 AND 6 GROUP BY a";
        let shape = lift(sql).expect("a shape").shape;
        assert_eq!(texts(&shape, sql), Some(vec!["1", "2", "3", "4", "5", "6"]));
    }
}
