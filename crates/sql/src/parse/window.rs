//! Windows: the WINDOW clause, OVER, frames.

use super::cursor::{COL_ID, Parser};
use crate::ast::{FrameBound, FrameExclusion, FrameMode, WindowDef, WindowFrame};
use crate::lexer::{Kw, TokenKind};
use quarry_common::{Result, err};

impl Parser<'_> {
    /// An entry of the WINDOW clause.
    pub(super) fn window_definition(&mut self) -> Result<WindowDef> {
        let name = self.col_id()?;
        self.expect_kw(Kw::As)?;
        let mut window = self.window_specification()?;
        window.name = Some(name);
        Ok(window)
    }

    /// What follows OVER.
    #[inline(never)]
    pub(super) fn over_clause(&mut self) -> Result<WindowDef> {
        if self.at(TokenKind::LeftParen) {
            return self.window_specification();
        }
        let pos = self.pos();
        let name = Some(self.col_id()?);
        Ok(WindowDef {
            name,
            ref_name: None,
            partition_by: Vec::new(),
            order_by: Vec::new(),
            frame: None,
            by_name: true,
            pos,
        })
    }

    #[inline(never)]
    fn window_specification(&mut self) -> Result<WindowDef> {
        let pos = self.expect(TokenKind::LeftParen)?;
        let clause = matches!(self.keyword(), Some(Kw::Partition | Kw::Range | Kw::Rows | Kw::Groups));
        let ref_name = if !clause && self.at_name(COL_ID) { Some(self.col_id()?) } else { None };
        let partition_by = if self.eat_kw(Kw::Partition) {
            self.expect_kw(Kw::By)?;
            self.expr_list()?
        } else {
            Vec::new()
        };
        let order_by = if self.at_kw(Kw::Order) { self.order_by()? } else { Vec::new() };
        let frame = self.opt_frame()?;
        self.expect(TokenKind::RightParen)?;
        Ok(WindowDef { name: None, ref_name, partition_by, order_by, frame, by_name: false, pos })
    }

    fn opt_frame(&mut self) -> Result<Option<WindowFrame>> {
        let mode = match self.keyword() {
            Some(Kw::Range) => FrameMode::Range,
            Some(Kw::Rows) => FrameMode::Rows,
            Some(Kw::Groups) => FrameMode::Groups,
            _ => return Ok(None),
        };
        self.bump();
        let between = self.eat_kw(Kw::Between);
        let start_pos = self.pos();
        let start = self.frame_bound()?;
        let mut end = FrameBound::CurrentRow;
        let mut end_pos = start_pos;
        if between {
            self.expect_kw(Kw::And)?;
            end_pos = self.pos();
            end = self.frame_bound()?;
        }
        let refusal = match (&start, &end) {
            (FrameBound::UnboundedFollowing, _) => {
                Some(("frame start cannot be UNBOUNDED FOLLOWING", start_pos))
            }
            (_, FrameBound::UnboundedPreceding) => Some(("frame end cannot be UNBOUNDED PRECEDING", end_pos)),
            (FrameBound::CurrentRow, FrameBound::Preceding(_)) => {
                Some(("frame starting from current row cannot have preceding rows", end_pos))
            }
            (FrameBound::Following(_), _) if !between => {
                Some(("frame starting from following row cannot end with current row", start_pos))
            }
            (FrameBound::Following(_), FrameBound::Preceding(_) | FrameBound::CurrentRow) => {
                Some(("frame starting from following row cannot have preceding rows", end_pos))
            }
            _ => None,
        };
        if let Some((message, pos)) = refusal {
            return Err(err!(WINDOWING_ERROR, "{message}").position(pos as usize));
        }
        let exclusion = self.frame_exclusion()?;
        Ok(Some(WindowFrame { mode, start, end, between, exclusion }))
    }

    fn frame_exclusion(&mut self) -> Result<FrameExclusion> {
        if !self.eat_kw(Kw::Exclude) {
            return Ok(FrameExclusion::NoOthers);
        }
        if self.eat_kw(Kw::Current) {
            self.expect_kw(Kw::Row)?;
            return Ok(FrameExclusion::CurrentRow);
        }
        if self.eat_kw(Kw::Group) {
            return Ok(FrameExclusion::Group);
        }
        if self.eat_kw(Kw::Ties) {
            return Ok(FrameExclusion::Ties);
        }
        self.expect_kws(&[Kw::No, Kw::Others])?;
        Ok(FrameExclusion::NoOthers)
    }

    fn frame_bound(&mut self) -> Result<FrameBound> {
        if self.at_kw(Kw::Unbounded) && (self.nth_kw(1, Kw::Preceding) || self.nth_kw(1, Kw::Following)) {
            self.bump();
            let preceding = self.bump().kind == TokenKind::Keyword(Kw::Preceding);
            return Ok(if preceding {
                FrameBound::UnboundedPreceding
            } else {
                FrameBound::UnboundedFollowing
            });
        }
        if self.eat_kws(&[Kw::Current, Kw::Row]) {
            return Ok(FrameBound::CurrentRow);
        }
        let offset = Box::new(self.expr()?);
        if self.eat_kw(Kw::Preceding) {
            return Ok(FrameBound::Preceding(offset));
        }
        self.expect_kw(Kw::Following)?;
        Ok(FrameBound::Following(offset))
    }
}
