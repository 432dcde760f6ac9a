//! Queries (PostgreSQL: get_query_def and what it calls).

use super::direction;
use super::names::{name_items, publish};
use super::writer::{ITEM, STANDARD, Writer};
use crate::tree::{BodyTree, CteTree, DistinctTree, GroupTree, LockTree, QueryTree, SelectTree, TargetTree};
use crate::{ColumnId, Expr, LockStrength, LockWait, SetOpKind};
use quarry_catalog::quote_identifier;

/// What the rows of a VALUES query are called.
pub(super) const OWN_VALUES: &str = "*VALUES*";

/// How the columns of the query being written are called.
#[derive(Clone, Copy)]
struct Output<'q> {
    /// The view's own column names, in place of the targets'.
    view: &'q [String],
    /// The names matter to whoever reads the query.
    visible: bool,
}

impl Writer<'_> {
    /// A view's query.
    pub(super) fn view_query(&mut self, q: &QueryTree, columns: &[String]) {
        // PostgreSQL's rules have these two in their range table.
        let reserved = vec!["old".to_string(), "new".to_string()];
        self.query(q, Output { view: columns, visible: true }, reserved);
    }

    /// A query inside another, `visible`: its column names matter.
    pub(super) fn nested_query(&mut self, q: &QueryTree, visible: bool) {
        self.query(q, Output { view: &[], visible }, vec![]);
    }

    fn query(&mut self, q: &QueryTree, output: Output<'_>, mut taken: Vec<String>) {
        let level = self.level;
        let ctes = self.names.ctes.len();
        let items = match &q.body {
            BodyTree::Select(s) => {
                let items = name_items(&s.from, &self.names, &mut taken);
                items.iter().for_each(|i| publish(i, &mut self.names));
                self.names.computed.extend(s.computed.iter().cloned());
                items
            }
            BodyTree::Values { columns, .. } => {
                taken.push(OWN_VALUES.into());
                for (id, name) in columns {
                    self.names.columns.insert(*id, format!("\"*VALUES*\".{}", quote_identifier(name)));
                }
                vec![]
            }
            BodyTree::SetOp { .. } => vec![],
        };
        self.names.taken.push(taken);
        self.names.ctes.extend(q.ctes.iter().map(|c| c.name.clone()));
        self.with_clause(q);
        match &q.body {
            BodyTree::Select(s) => {
                self.indent();
                self.select(s, &items, output);
                self.order_by(q, &s.targets);
            }
            BodyTree::Values { rows, columns, targets } => {
                self.indent();
                self.values_query(rows, columns, output);
                self.order_by(q, targets);
            }
            BodyTree::SetOp { .. } => {
                self.set_operation(q, output);
                self.order_by(q, &[]);
            }
        }
        self.limits(q);
        q.locks.iter().for_each(|l| self.lock(l));
        self.names.taken.pop();
        self.names.ctes.truncate(ctes);
        self.level = level;
    }

    fn indent(&mut self) {
        if self.lines() {
            self.level += STANDARD;
            self.out.push(' ');
        }
    }

    fn with_clause(&mut self, q: &QueryTree) {
        if q.ctes.is_empty() {
            return;
        }
        self.indent();
        for (i, cte) in q.ctes.iter().enumerate() {
            self.out += match (i, q.recursive) {
                (0, true) => "WITH RECURSIVE ",
                (0, false) => "WITH ",
                _ => ", ",
            };
            self.cte(cte);
        }
        if self.lines() {
            self.level -= STANDARD;
            self.keyword("", 0, 0, 0);
        } else {
            self.out.push(' ');
        }
    }

    fn cte(&mut self, cte: &CteTree) {
        self.out += &quote_identifier(&cte.name);
        if !cte.columns.is_empty() {
            let list: Vec<String> = cte.columns.iter().map(|n| quote_identifier(n)).collect();
            self.out += &format!("({})", list.join(", "));
        }
        self.out += " AS ";
        self.out += match cte.materialized {
            None => "",
            Some(true) => "MATERIALIZED ",
            Some(false) => "NOT MATERIALIZED ",
        };
        self.out.push('(');
        self.keyword("", 0, 0, 0);
        self.nested_query(&cte.query, true);
        self.keyword("", 0, 0, 0);
        self.out.push(')');
        self.out += if self.style.stored { &cte.suffix } else { &cte.shown_suffix };
    }

    fn select(&mut self, s: &SelectTree, items: &[super::names::Named<'_>], output: Output<'_>) {
        self.out += "SELECT";
        match &s.distinct {
            DistinctTree::None => {}
            DistinctTree::All => self.out += " DISTINCT",
            DistinctTree::On(list) => {
                self.out += " DISTINCT ON (";
                for (i, target) in list.iter().enumerate() {
                    if i > 0 {
                        self.out += ", ";
                    }
                    self.sort_expr(&s.targets[*target].expr);
                }
                self.out.push(')');
            }
        }
        self.target_list(&s.targets, output);
        self.write_from(items);
        if let Some(filter) = &s.filter {
            self.keyword(" WHERE ", -STANDARD, STANDARD, 1);
            self.expr(filter, false);
        }
        if !s.group_by.is_empty() {
            self.keyword(" GROUP BY ", -STANDARD, STANDARD, 1);
            if s.group_distinct {
                self.out += "DISTINCT ";
            }
            for (i, g) in s.group_by.iter().enumerate() {
                if i > 0 {
                    self.out += ", ";
                }
                self.group_item(g, true);
            }
        }
        if let Some(having) = &s.having {
            self.keyword(" HAVING ", -STANDARD, STANDARD, 0);
            self.expr(having, false);
        }
        for (i, (name, spec, text)) in s.windows.iter().enumerate() {
            if i == 0 {
                self.keyword(" WINDOW ", -STANDARD, STANDARD, 1);
            } else {
                self.out += ", ";
            }
            self.out += &quote_identifier(name);
            self.out += " AS ";
            self.window_spec(spec, text);
        }
    }

    fn target_list(&mut self, targets: &[TargetTree], output: Output<'_>) {
        let mut several_lines = false;
        for (i, t) in targets.iter().filter(|t| !t.junk).enumerate() {
            self.out += if i == 0 { " " } else { ", " };
            let text = self.apart(|w| {
                let own = w.target(&t.expr, output.visible);
                let name = output.view.get(i).unwrap_or(&t.name);
                if own.as_ref() != Some(name) {
                    w.out += " AS ";
                    w.out += &quote_identifier(name);
                }
            });
            if self.lines() {
                if text.starts_with('\n') {
                    self.trim();
                } else if i > 0 && (several_lines || self.line_length() + text.len() as i32 > self.wrap) {
                    self.keyword("", -STANDARD, STANDARD, ITEM);
                }
                several_lines = text.trim_start_matches('\n').contains('\n');
            }
            self.out += &text;
        }
    }

    /// An output expression; the name it has without AS.
    fn target(&mut self, e: &Expr, visible: bool) -> Option<String> {
        self.top_level(e, true);
        match e {
            Expr::Column { id, .. } if self.is_name(*id) && !self.names.rows.contains_key(id) => {
                self.last_part(*id)
            }
            _ if visible => None,
            _ => Some("?column?".into()),
        }
    }

    /// The column's name in what is written for it.
    fn last_part(&self, id: ColumnId) -> Option<String> {
        let text = self.names.columns.get(&id)?;
        let name = match text.strip_suffix('"') {
            Some(head) => {
                // A quoted name: back to its opening quote, doubled ones being part of it.
                let mut start = head.len();
                while let Some(quote) = head[..start].rfind('"') {
                    start = quote;
                    if head[..start].ends_with('"') {
                        start -= 1;
                    } else {
                        break;
                    }
                }
                head[start..].strip_prefix('"').unwrap_or(&head[start..]).replace("\"\"", "\"")
            }
            None => text.rsplit('.').next().unwrap_or(text).to_string(),
        };
        Some(name)
    }

    fn group_item(&mut self, g: &GroupTree, omit_parentheses: bool) {
        match g {
            GroupTree::Empty => self.out += "()",
            GroupTree::Expr(e) => {
                self.sort_expr(e);
            }
            GroupTree::List(list) => {
                let brackets = !omit_parentheses || list.len() != 1;
                if brackets {
                    self.out.push('(');
                }
                for (i, e) in list.iter().enumerate() {
                    if i > 0 {
                        self.out += ", ";
                    }
                    self.sort_expr(e);
                }
                if brackets {
                    self.out.push(')');
                }
            }
            GroupTree::Rollup(list) => self.group_list("ROLLUP(", list, true),
            GroupTree::Cube(list) => self.group_list("CUBE(", list, true),
            GroupTree::Sets(list) => self.group_list("GROUPING SETS (", list, false),
        }
    }

    fn group_list(&mut self, head: &str, list: &[GroupTree], omit: bool) {
        self.out += head;
        for (i, g) in list.iter().enumerate() {
            if i > 0 {
                self.out += ", ";
            }
            match g {
                GroupTree::Expr(e) if !omit => {
                    self.out.push('(');
                    self.sort_expr(e);
                    self.out.push(')');
                }
                other => self.group_item(other, omit),
            }
        }
        self.out.push(')');
    }

    /// A VALUES query: bare if its columns have the names VALUES gives them.
    fn values_query(&mut self, rows: &[Vec<Expr>], columns: &[(ColumnId, String)], output: Output<'_>) {
        let renamed = columns.iter().zip(output.view).any(|((_, own), name)| own != name);
        if !renamed {
            return self.values(rows);
        }
        self.out += "SELECT";
        let targets: Vec<TargetTree> = columns
            .iter()
            .zip(rows.first().map_or(&[][..], |r| r))
            .map(|((id, name), e)| TargetTree {
                name: name.clone(),
                expr: Expr::column(*id, e.ty()),
                junk: false,
            })
            .collect();
        self.target_list(&targets, output);
        self.keyword(" FROM ", -STANDARD, STANDARD, 2);
        self.out.push('(');
        self.values(rows);
        self.out += ") \"*VALUES*\"";
    }

    pub(super) fn values(&mut self, rows: &[Vec<Expr>]) {
        self.out += "VALUES ";
        for (i, row) in rows.iter().enumerate() {
            if i > 0 {
                self.out += ", ";
            }
            self.out.push('(');
            for (i, e) in row.iter().enumerate() {
                if i > 0 {
                    self.out.push(',');
                }
                self.top_level(e, false);
            }
            self.out.push(')');
        }
    }

    /// One side of a set operation, or the whole of one (get_setop_query).
    fn set_operation(&mut self, q: &QueryTree, output: Output<'_>) {
        let BodyTree::SetOp { kind, all, left, right } = &q.body else { return };
        let nested = |q: &QueryTree| matches!(q.body, BodyTree::SetOp { .. }) && is_bare(q);
        let same = matches!(&left.body, BodyTree::SetOp { kind: k, all: a, .. } if k == kind && a == all);
        let brackets = nested(left) && !same;
        let step = if brackets { STANDARD } else { 0 };
        if brackets {
            self.out.push('(');
            self.keyword("", step, 0, 0);
        }
        self.side(left, output);
        if brackets {
            self.keyword(") ", -step, 0, 0);
        } else if self.lines() {
            self.keyword("", 0, 0, 0);
        } else {
            self.out.push(' ');
        }
        self.out += match kind {
            SetOpKind::Union => "UNION ",
            SetOpKind::Intersect => "INTERSECT ",
            SetOpKind::Except => "EXCEPT ",
        };
        if *all {
            self.out += "ALL ";
        }
        let brackets = nested(right);
        let step = if brackets { STANDARD } else { 0 };
        if brackets {
            self.out.push('(');
        }
        if self.lines() {
            self.keyword("", step, 0, 0);
        }
        self.side(right, Output { visible: false, ..output });
        if self.lines() {
            self.level -= step;
        }
        if brackets {
            self.keyword(")", 0, 0, 0);
        }
    }

    fn side(&mut self, q: &QueryTree, output: Output<'_>) {
        if !is_bare(q) {
            self.out.push('(');
            self.query(q, output, vec![]);
            self.out.push(')');
        } else if let BodyTree::SetOp { .. } = q.body {
            self.set_operation(q, output);
        } else {
            self.query(q, output, vec![]);
        }
    }

    fn order_by(&mut self, q: &QueryTree, targets: &[TargetTree]) {
        for (i, o) in q.order_by.iter().enumerate() {
            if i == 0 {
                self.keyword(" ORDER BY ", -STANDARD, STANDARD, 1);
            } else {
                self.out += ", ";
            }
            match targets.get(o.target) {
                Some(t) => self.sort_expr(&t.expr),
                // Only positions can be named behind a set operation.
                None => self.out += &(o.target + 1).to_string(),
            }
            self.out += direction(o.descending, o.nulls_first);
        }
    }

    fn limits(&mut self, q: &QueryTree) {
        if let Some(e) = &q.offset {
            self.keyword(" OFFSET ", -STANDARD, STANDARD, 0);
            self.expr(e, false);
        }
        let Some(e) = &q.limit else { return };
        if q.with_ties {
            self.keyword(" FETCH FIRST ", -STANDARD, STANDARD, 0);
            self.out.push('(');
            self.expr(e, false);
            self.out += ") ROWS WITH TIES";
        } else {
            self.keyword(" LIMIT ", -STANDARD, STANDARD, 0);
            match e {
                Expr::Const { value, .. } if value.is_null() => self.out += "ALL",
                _ => self.expr(e, false),
            }
        }
    }

    fn lock(&mut self, lock: &LockTree) {
        let word = match lock.strength {
            LockStrength::KeyShare => " FOR KEY SHARE",
            LockStrength::Share => " FOR SHARE",
            LockStrength::NoKeyUpdate => " FOR NO KEY UPDATE",
            LockStrength::Update => " FOR UPDATE",
        };
        for item in &lock.items {
            self.keyword(word, -STANDARD, STANDARD, 0);
            let found = self.names.items.iter().find(|(ids, _)| ids.first() == Some(item));
            if let Some((_, name)) = found {
                self.out += " OF ";
                self.out += &name.clone();
            }
            self.out += match lock.wait {
                LockWait::Block => "",
                LockWait::Skip => " SKIP LOCKED",
                LockWait::NoWait => " NOWAIT",
            };
        }
    }
}

/// Whether nothing stands around a query's body.
fn is_bare(q: &QueryTree) -> bool {
    q.ctes.is_empty()
        && q.order_by.is_empty()
        && q.limit.is_none()
        && q.offset.is_none()
        && q.locks.is_empty()
}
