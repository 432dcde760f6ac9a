//! Type names.

use super::cursor::{COL_ID, Parser, TYPE_FUNC};
use crate::ast::{Expr, ExprKind, IntervalFields, Literal, NO_POS, Pos, TypeName};
use crate::lexer::{Kw, TokenKind};
use quarry_common::{Result, err};

/// `pg_catalog.name`.
pub(super) fn system_type(name: &str, pos: Pos) -> TypeName {
    TypeName {
        names: vec!["pg_catalog".into(), name.into()],
        setof: false,
        pct_type: false,
        typmods: Vec::new(),
        interval_fields: None,
        array_bounds: Vec::new(),
        pos,
    }
}

fn int_const(value: i32, pos: Pos) -> Expr {
    Expr::new(ExprKind::Const(Literal::Integer(value)), pos)
}

impl Parser<'_> {
    /// Typename.
    pub fn type_name(&mut self) -> Result<TypeName> {
        self.nested(|p| {
            let setof = p.eat_kw(Kw::Setof);
            let mut t = p.simple_type_name()?;
            t.setof = setof;
            p.array_bounds(&mut t)?;
            Ok(t)
        })
    }

    /// func_type: a type name, or `rel.col%TYPE`.
    pub fn func_type(&mut self) -> Result<TypeName> {
        let mut t = self.type_name()?;
        let may_be_pct = t.typmods.is_empty() && t.array_bounds.is_empty() && t.names.len() > 1;
        if may_be_pct && self.at(TokenKind::Percent) && self.nth_kw(1, Kw::Type) {
            self.bump();
            self.bump();
            t.pct_type = true;
        }
        Ok(t)
    }

    fn array_bounds(&mut self, t: &mut TypeName) -> Result<()> {
        if self.eat_kw(Kw::Array) {
            let mut bound = -1;
            if self.eat(TokenKind::LeftBracket) {
                bound = self.integer()?;
                self.expect(TokenKind::RightBracket)?;
            }
            t.array_bounds.push(bound);
            return Ok(());
        }
        while self.eat(TokenKind::LeftBracket) {
            if self.eat(TokenKind::RightBracket) {
                t.array_bounds.push(-1);
            } else {
                t.array_bounds.push(self.integer()?);
                self.expect(TokenKind::RightBracket)?;
            }
        }
        Ok(())
    }

    /// SimpleTypename.
    fn simple_type_name(&mut self) -> Result<TypeName> {
        let pos = self.pos();
        if let Some(t) = self.builtin_type(pos, true)? {
            return Ok(t);
        }
        let mut names = vec![self.name_of(TYPE_FUNC)?];
        while self.at(TokenKind::Dot) {
            self.bump();
            names.push(self.col_label()?);
        }
        let typmods = self.opt_type_modifiers()?;
        Ok(TypeName { names, typmods, ..system_type("", pos) })
    }

    /// The types the grammar itself knows, if the next tokens name one. Not `any`: INTERVAL's fields come
    /// behind the string when a constant is written (`with_fields` false).
    pub(super) fn builtin_type(&mut self, pos: Pos, with_fields: bool) -> Result<Option<TypeName>> {
        let Some(kw) = self.keyword() else { return Ok(None) };
        let name = match kw {
            Kw::Int | Kw::Integer => "int4",
            Kw::Smallint => "int2",
            Kw::Bigint => "int8",
            Kw::Real => "float4",
            Kw::Boolean => "bool",
            Kw::Float => {
                self.bump();
                return self.float_type(pos).map(Some);
            }
            Kw::Double if self.nth_kw(1, Kw::Precision) => {
                self.bump();
                "float8"
            }
            Kw::Decimal | Kw::Dec | Kw::Numeric => {
                self.bump();
                let typmods = self.opt_type_modifiers()?;
                return Ok(Some(TypeName { typmods, ..system_type("numeric", pos) }));
            }
            Kw::Bit => return self.bit_type(pos).map(Some),
            Kw::Character | Kw::Char | Kw::Varchar | Kw::National | Kw::Nchar => {
                return self.character_type(pos).map(Some);
            }
            Kw::Timestamp | Kw::Time => return self.datetime_type(pos).map(Some),
            Kw::Interval => {
                self.bump();
                let mut t = system_type("interval", pos);
                if self.eat(TokenKind::LeftParen) {
                    let at = self.pos();
                    t.typmods.push(int_const(self.integer()?, at));
                    self.expect(TokenKind::RightParen)?;
                } else if with_fields {
                    self.interval_fields(&mut t)?;
                }
                return Ok(Some(t));
            }
            _ => return Ok(None),
        };
        self.bump();
        Ok(Some(system_type(name, pos)))
    }

    /// `( expr, ... )`, if there.
    fn opt_type_modifiers(&mut self) -> Result<Vec<Expr>> {
        if self.at(TokenKind::LeftParen) { self.paren_list(Self::expr) } else { Ok(Vec::new()) }
    }

    fn float_type(&mut self, pos: Pos) -> Result<TypeName> {
        if !self.eat(TokenKind::LeftParen) {
            return Ok(system_type("float8", pos));
        }
        let at = self.pos() as usize;
        let bits = self.integer()?;
        self.expect(TokenKind::RightParen)?;
        match bits {
            1..=24 => Ok(system_type("float4", pos)),
            25..=53 => Ok(system_type("float8", pos)),
            ..1 => {
                Err(err!(INVALID_PARAMETER_VALUE, "precision for type float must be at least 1 bit")
                    .position(at))
            }
            _ => Err(err!(INVALID_PARAMETER_VALUE, "precision for type float must be less than 54 bits")
                .position(at)),
        }
    }

    fn bit_type(&mut self, pos: Pos) -> Result<TypeName> {
        self.bump();
        let varying = self.eat_kw(Kw::Varying);
        let mut t = system_type(if varying { "varbit" } else { "bit" }, pos);
        t.typmods = self.opt_type_modifiers()?;
        if t.typmods.is_empty() && !varying {
            t.typmods.push(int_const(1, NO_POS));
        }
        Ok(t)
    }

    fn character_type(&mut self, pos: Pos) -> Result<TypeName> {
        let varying = match self.bump().kind {
            TokenKind::Keyword(Kw::Varchar) => true,
            TokenKind::Keyword(Kw::National) => {
                if !self.eat_kw(Kw::Character) {
                    self.expect_kw(Kw::Char)?;
                }
                self.eat_kw(Kw::Varying)
            }
            _ => self.eat_kw(Kw::Varying),
        };
        let mut t = system_type(if varying { "varchar" } else { "bpchar" }, pos);
        if self.eat(TokenKind::LeftParen) {
            let at = self.pos();
            t.typmods.push(int_const(self.integer()?, at));
            self.expect(TokenKind::RightParen)?;
        } else if !varying {
            t.typmods.push(int_const(1, NO_POS));
        }
        Ok(t)
    }

    fn datetime_type(&mut self, pos: Pos) -> Result<TypeName> {
        let timestamp = self.bump().kind == TokenKind::Keyword(Kw::Timestamp);
        let mut typmods = Vec::new();
        if self.eat(TokenKind::LeftParen) {
            let at = self.pos();
            typmods.push(int_const(self.integer()?, at));
            self.expect(TokenKind::RightParen)?;
        }
        let mut zone = false;
        if self.at_kws(&[Kw::With, Kw::Time]) {
            self.expect_kws(&[Kw::With, Kw::Time, Kw::Zone])?;
            zone = true;
        } else if self.eat_kw(Kw::Without) {
            self.expect_kws(&[Kw::Time, Kw::Zone])?;
        }
        let name = match (timestamp, zone) {
            (true, true) => "timestamptz",
            (true, false) => "timestamp",
            (false, true) => "timetz",
            (false, false) => "time",
        };
        Ok(TypeName { typmods, ..system_type(name, pos) })
    }

    /// opt_interval.
    pub(super) fn interval_fields(&mut self, t: &mut TypeName) -> Result<()> {
        use IntervalFields::*;
        let Some(kw) = self.keyword() else { return Ok(()) };
        let ends: &[(Kw, IntervalFields)] = match kw {
            Kw::Year => &[(Kw::Month, YearToMonth)],
            Kw::Month => &[],
            Kw::Day => &[(Kw::Hour, DayToHour), (Kw::Minute, DayToMinute), (Kw::Second, DayToSecond)],
            Kw::Hour => &[(Kw::Minute, HourToMinute), (Kw::Second, HourToSecond)],
            Kw::Minute => &[(Kw::Second, MinuteToSecond)],
            Kw::Second => {
                self.bump();
                t.interval_fields = Some(Second);
                return self.interval_second_precision(t);
            }
            _ => return Ok(()),
        };
        self.bump();
        let mut fields = match kw {
            Kw::Year => Year,
            Kw::Month => Month,
            Kw::Day => Day,
            Kw::Hour => Hour,
            _ => Minute,
        };
        let mut second = false;
        if !ends.is_empty() && self.eat_kw(Kw::To) {
            let end = ends.iter().find(|(kw, _)| self.at_kw(*kw));
            let Some((kw, to)) = end else { return Err(self.unexpected()) };
            self.bump();
            fields = *to;
            second = *kw == Kw::Second;
        }
        t.interval_fields = Some(fields);
        if second { self.interval_second_precision(t) } else { Ok(()) }
    }

    fn interval_second_precision(&mut self, t: &mut TypeName) -> Result<()> {
        if self.eat(TokenKind::LeftParen) {
            let at = self.pos();
            t.typmods.push(int_const(self.integer()?, at));
            self.expect(TokenKind::RightParen)?;
        }
        Ok(())
    }

    /// Whether the next tokens begin a constant of a type the grammar knows: `int '5'`, `time with time
    /// zone '..'`, `bit(3) '101'`; else such a word is a column.
    pub(super) fn at_typed_constant(&self) -> bool {
        let Some(kw) = self.keyword() else { return false };
        let next = self.nth(1);
        let string = matches!(next, TokenKind::String(_));
        let paren = next == TokenKind::LeftParen;
        match kw {
            Kw::Int | Kw::Integer | Kw::Smallint | Kw::Bigint | Kw::Real | Kw::Boolean => string,
            Kw::Float | Kw::Decimal | Kw::Dec | Kw::Numeric | Kw::Varchar | Kw::Interval => string || paren,
            Kw::Double => self.nth_kw(1, Kw::Precision),
            Kw::Bit | Kw::Character | Kw::Char | Kw::Nchar => string || paren || self.nth_kw(1, Kw::Varying),
            Kw::National => self.nth_kw(1, Kw::Character) || self.nth_kw(1, Kw::Char),
            Kw::Time | Kw::Timestamp => {
                string
                    || paren
                    || self.nth_kw(1, Kw::Without)
                    || (self.nth_kw(1, Kw::With) && self.nth_kw(2, Kw::Time))
            }
            _ => false,
        }
    }

    /// Whether a name that may be a column's comes next.
    pub(super) fn at_col_id(&self) -> bool {
        COL_ID.accepts(self.kind())
    }
}
