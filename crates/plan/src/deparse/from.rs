//! FROM clauses (PostgreSQL: get_from_clause_item).

use super::BY_OID;
use super::names::{Named, NamedJoin, NamedLeaf};
use super::query::OWN_VALUES;
use super::writer::{ITEM, JOIN, STANDARD, Writer};
use crate::tree::{BodyTree, FunctionTree, JoinTreeCondition, LeafKind};
use crate::{Expr, JoinKind};
use quarry_catalog::{Relation, quote_identifier};

impl Writer<'_> {
    pub(super) fn write_from(&mut self, items: &[Named<'_>]) {
        for (i, item) in items.iter().enumerate() {
            if i == 0 {
                self.keyword(" FROM ", -STANDARD, STANDARD, 2);
                self.write_item(item);
                continue;
            }
            self.out += ", ";
            let text = self.apart(|w| w.write_item(item));
            if self.lines() {
                if text.starts_with('\n') {
                    self.trim();
                } else if self.line_length() + text.len() as i32 > self.wrap {
                    self.keyword("", -STANDARD, STANDARD, ITEM);
                }
            }
            self.out += &text;
        }
    }

    fn write_item(&mut self, item: &Named<'_>) {
        match item {
            Named::Leaf(l) => self.write_leaf(l),
            Named::Join(j) => self.write_join(j),
        }
    }

    fn write_join(&mut self, j: &NamedJoin<'_>) {
        let bare = |n: &Named<'_>| match n {
            Named::Leaf(_) => true,
            Named::Join(j) => j.join.alias.is_some(),
        };
        let brackets = !self.sparing() || j.join.alias.is_some();
        let right_brackets = self.sparing() && !bare(&j.right);
        if brackets {
            self.out.push('(');
        }
        self.write_item(&j.left);
        let word = match (j.join.kind, &j.join.condition) {
            (JoinKind::Left, _) => " LEFT JOIN ",
            (JoinKind::Right, _) => " RIGHT JOIN ",
            (JoinKind::Full, _) => " FULL JOIN ",
            (_, JoinTreeCondition::Cross) => " CROSS JOIN ",
            _ if j.using.is_empty() && matches!(j.join.condition, JoinTreeCondition::Using { .. }) => {
                " CROSS JOIN "
            }
            _ => " JOIN ",
        };
        self.keyword(word, -STANDARD, STANDARD, JOIN);
        if right_brackets {
            self.out.push('(');
        }
        self.write_item(&j.right);
        if right_brackets {
            self.out.push(')');
        }
        self.join_condition(j);
        if brackets {
            self.out.push(')');
        }
        if let Some(name) = &j.name {
            self.out.push(' ');
            self.out += &quote_identifier(name);
            if j.show_columns {
                self.names_list(j.columns.iter().flatten());
            }
        }
    }

    fn join_condition(&mut self, j: &NamedJoin<'_>) {
        match &j.join.condition {
            JoinTreeCondition::Using { alias, .. } if !j.using.is_empty() => {
                self.out += " USING ";
                self.names_list(j.using.iter());
                if let Some(alias) = alias {
                    self.out += " AS ";
                    self.out += &quote_identifier(alias);
                }
            }
            JoinTreeCondition::On(e) => {
                self.out += " ON ";
                self.open();
                self.expr(e, false);
                self.close();
            }
            _ if j.join.kind != JoinKind::Inner => self.out += " ON TRUE",
            _ => {}
        }
    }

    fn names_list<'n>(&mut self, names: impl Iterator<Item = &'n String>) {
        let list: Vec<String> = names.map(|n| quote_identifier(n)).collect();
        self.out += &format!("({})", list.join(", "));
    }

    fn write_leaf(&mut self, l: &NamedLeaf<'_>) {
        if l.leaf.lateral {
            self.out += "LATERAL ";
        }
        let mut definitions = None;
        match &l.leaf.kind {
            LeafKind::Relation { relation, only } => {
                if *only {
                    self.out += "ONLY ";
                }
                if self.style.stored {
                    return self.stored_relation(relation, l);
                }
                let hidden = self.names.ctes.contains(&relation.name);
                let name = self.d.names.relation(relation);
                self.out += &if hidden {
                    quarry_catalog::quote_qualified(&relation.schema_name, &relation.name)
                } else {
                    name
                };
            }
            LeafKind::Cte { name } => self.out += &quote_identifier(name),
            LeafKind::Subquery(q) => {
                self.out.push('(');
                match &q.body {
                    // A VALUES list with its own column names was the whole query once.
                    BodyTree::Values { rows, .. } if l.name == OWN_VALUES && !l.show_columns => {
                        self.values(rows)
                    }
                    _ => self.nested_query(q, true),
                }
                self.out.push(')');
            }
            LeafKind::Function { items, rows_from, ordinality } => {
                definitions = self.functions(items, *rows_from);
                if *ordinality {
                    self.out += " WITH ORDINALITY";
                }
            }
        }
        let shown = match &l.leaf.kind {
            LeafKind::Relation { relation, .. } => {
                l.leaf.alias.is_some() || l.show_columns || l.name != relation.name
            }
            LeafKind::Cte { name } => l.leaf.alias.is_some() || l.show_columns || l.name != *name,
            LeafKind::Subquery(_) | LeafKind::Function { .. } => true,
        };
        if shown {
            self.out.push(' ');
            self.out += &quote_identifier(&l.name);
        }
        match definitions {
            Some(list) => self.definitions(list, &l.columns),
            None if l.show_columns => self.names_list(l.columns.iter().flatten()),
            None => {}
        }
    }

    /// By OID, every attribute with the name this text knows it by.
    fn stored_relation(&mut self, relation: &Relation, l: &NamedLeaf<'_>) {
        let live: Vec<usize> =
            relation.columns.iter().enumerate().filter(|(_, c)| !c.dropped).map(|(i, _)| i).collect();
        let given = match &l.leaf.alias {
            None => "-".to_string(),
            Some(a) => match a.columns.len().checked_sub(1).and_then(|last| live.get(last)) {
                Some(last) => (last + 1).to_string(),
                None => "0".to_string(),
            },
        };
        let mut names: Vec<String> = relation
            .columns
            .iter()
            .enumerate()
            .map(|(i, _)| format!("........pg.dropped.{}........", i + 1))
            .collect();
        for (attribute, name) in live.iter().zip(l.columns.iter().flatten()) {
            names[*attribute] = name.clone();
        }
        // Columns that came after this text was first stored stay unknown to it.
        if let Some(last) = l.columns.len().checked_sub(1).and_then(|last| live.get(last)) {
            names.truncate(last + 1);
        } else {
            names.clear();
        }
        self.out +=
            &format!("\"{given}\".\"{BY_OID}\".\"{}\" AS {}", relation.oid, quote_identifier(&l.name));
        if !names.is_empty() {
            self.names_list(names.iter());
        }
    }

    /// The functions of one FROM item. A column definition list that belongs behind the alias comes back.
    fn functions<'f>(&mut self, items: &'f [FunctionTree], rows_from: bool) -> Option<&'f FunctionTree> {
        if let ([only], false) = (items, rows_from) {
            self.expr(&only.call, true);
            return (!only.definitions.is_empty()).then_some(only);
        }
        let arrays: Vec<&Expr> = items.iter().filter_map(unnested).collect();
        if arrays.len() == items.len() {
            self.out += "UNNEST(";
            for (i, a) in arrays.iter().enumerate() {
                if i > 0 {
                    self.out += ", ";
                }
                self.expr(a, true);
            }
            self.out.push(')');
            return None;
        }
        self.out += "ROWS FROM(";
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.out += ", ";
            }
            self.expr(&item.call, true);
            if !item.definitions.is_empty() {
                self.out += " AS ";
                let names: Vec<Option<String>> =
                    item.definitions.iter().map(|(n, _)| Some(n.clone())).collect();
                self.definitions(item, &names);
            }
        }
        self.out.push(')');
        None
    }

    fn definitions(&mut self, item: &FunctionTree, names: &[Option<String>]) {
        let mut parts = vec![];
        for ((own, ty), name) in item.definitions.iter().zip(names) {
            let name = name.as_ref().unwrap_or(own);
            parts.push(format!("{} {}", quote_identifier(name), self.d.names.format_type(*ty)));
        }
        self.out += &format!("({})", parts.join(", "));
    }
}

/// The array of `unnest(array)`.
fn unnested(item: &FunctionTree) -> Option<&Expr> {
    match &item.call {
        Expr::Call { function, args, .. }
            if function.def().name == "unnest" && item.definitions.is_empty() =>
        {
            match &args[..] {
                [one] => Some(one),
                _ => None,
            }
        }
        _ => None,
    }
}
