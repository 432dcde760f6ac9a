//! Names of FROM items and their columns, unique where they must be (PostgreSQL: set_rtable_names, set_using_names,
//! set_relation_column_names, set_join_column_names).
//!
//! An item keeps its name unless an item of the same level or of a level around has it already; then a number is added. Columns
//! merged by USING must have one name on both sides, whatever the columns are called today, so those names are chosen first, from
//! the outermost join inwards; every other column gets its alias or its own name, made unique within its item.

use super::writer::Names;
use crate::ColumnId;
use crate::tree::{FromTree, JoinTree, JoinTreeCondition, LeafKind, LeafTree};
use quarry_catalog::quote_identifier;

/// A FROM item with its names.
pub(super) enum Named<'t> {
    Leaf(NamedLeaf<'t>),
    Join(Box<NamedJoin<'t>>),
}

pub(super) struct NamedLeaf<'t> {
    pub leaf: &'t LeafTree,
    pub name: String,
    pub columns: Vec<Option<String>>,
    /// The column names must be shown.
    pub show_columns: bool,
    parent_using: Vec<String>,
}

pub(super) struct NamedJoin<'t> {
    pub join: &'t JoinTree,
    pub name: Option<String>,
    pub columns: Vec<Option<String>>,
    pub using: Vec<String>,
    pub show_columns: bool,
    pub left: Named<'t>,
    pub right: Named<'t>,
    parent_using: Vec<String>,
}

/// `name`, or `name_1`, `name_2`, ... until `taken` says no.
fn unique(name: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(name) {
        return name.to_string();
    }
    (1u64..)
        .map(|i| {
            let digits = i.to_string();
            let mut end = name.len().min(62 - digits.len());
            while !name.is_char_boundary(end) {
                end -= 1;
            }
            format!("{}_{digits}", &name[..end])
        })
        .find(|n| !taken(n))
        .unwrap_or_else(|| name.to_string())
}

/// The name an item has without an alias.
fn default_name(leaf: &LeafTree) -> String {
    match &leaf.kind {
        LeafKind::Relation { relation, .. } => relation.name.clone(),
        LeafKind::Cte { name } => name.clone(),
        LeafKind::Subquery(_) => "unnamed_subquery".into(),
        LeafKind::Function { items, .. } => match items.first().map(|i| &i.call) {
            Some(crate::Expr::Call { function, .. }) => function.def().name.to_string(),
            _ => "function".into(),
        },
    }
}

/// Names the items of one FROM clause. `level` has the names of this level that are taken, and gets the new ones.
pub(super) fn name_items<'t>(from: &'t [FromTree], names: &Names, level: &mut Vec<String>) -> Vec<Named<'t>> {
    let mut items: Vec<Named<'t>> = from.iter().map(|i| name_item(i, names, level)).collect();
    let mut chooser = Chooser { unique: from.iter().any(has_dangerous_using), chosen: vec![] };
    for item in &mut items {
        chooser.using(item, &[]);
    }
    for item in &mut items {
        chooser.columns(item);
    }
    items
}

fn name_item<'t>(item: &'t FromTree, names: &Names, level: &mut Vec<String>) -> Named<'t> {
    let mut pick = |name: &str| {
        let taken = |n: &str| level.iter().chain(names.taken.iter().flatten()).any(|t| t == n);
        let name = unique(name, taken);
        level.push(name.clone());
        name
    };
    match item {
        FromTree::Leaf(leaf) => {
            let wanted = leaf.alias.as_ref().map_or_else(|| default_name(leaf), |a| a.name.clone());
            let name = pick(&wanted);
            let columns = vec![None; leaf.columns.len()];
            Named::Leaf(NamedLeaf { leaf, name, columns, show_columns: false, parent_using: vec![] })
        }
        FromTree::Join(join) => {
            let left = name_item(&join.left, names, level);
            let right = name_item(&join.right, names, level);
            let mut pick = |name: &str| {
                let taken = |n: &str| level.iter().chain(names.taken.iter().flatten()).any(|t| t == n);
                let name = unique(name, taken);
                level.push(name.clone());
                name
            };
            let name = join.alias.as_ref().map(|a| pick(&a.name));
            Named::Join(Box::new(NamedJoin {
                join,
                name,
                columns: vec![None; join.columns.len()],
                using: vec![],
                show_columns: false,
                left,
                right,
                parent_using: vec![],
            }))
        }
    }
}

/// Whether a merged column must be referred to by its bare name: it is neither side's column.
fn has_dangerous_using(item: &FromTree) -> bool {
    let FromTree::Join(j) = item else { return false };
    let own = match (&j.condition, &j.alias) {
        (JoinTreeCondition::Using { count, .. }, None) => {
            j.columns[..*count].iter().any(|c| Some(c.id) != c.left && Some(c.id) != c.right)
        }
        _ => false,
    };
    own || has_dangerous_using(&j.left) || has_dangerous_using(&j.right)
}

struct Chooser {
    /// Merged columns need names of their own within the whole level.
    unique: bool,
    chosen: Vec<String>,
}

impl Chooser {
    fn unique_column(&self, name: &str, columns: &[Option<String>], parents: &[String]) -> String {
        let others = |n: &str| self.chosen.iter().chain(parents).any(|t| t == n);
        unique(name, |n| others(n) || columns.iter().flatten().any(|c| c == n))
    }

    /// Names of merged columns, from the outside in.
    fn using(&mut self, item: &mut Named<'_>, parents: &[String]) {
        let j = match item {
            Named::Leaf(l) => return l.parent_using = parents.to_vec(),
            Named::Join(j) => j,
        };
        j.parent_using = parents.to_vec();
        let join = j.join;
        if join.alias.is_none() {
            for (column, name) in join.columns.iter().zip(&j.columns) {
                if let Some(name) = name {
                    give(&mut j.left, column.left, name);
                    give(&mut j.right, column.right, name);
                }
            }
        }
        let mut parents = parents.to_vec();
        if let JoinTreeCondition::Using { count, .. } = &join.condition {
            for i in 0..*count {
                let column = &join.columns[i];
                let name = match &j.columns[i] {
                    Some(name) => name.clone(),
                    None => {
                        let alias = join.alias.as_ref().and_then(|a| a.columns.get(i));
                        let wanted = alias.unwrap_or(&column.name);
                        let name = self.unique_column(wanted, &j.columns, &parents);
                        if self.unique {
                            self.chosen.push(name.clone());
                        }
                        name
                    }
                };
                j.columns[i] = Some(name.clone());
                give(&mut j.left, column.left, &name);
                give(&mut j.right, column.right, &name);
                j.using.push(name.clone());
                parents.push(name);
            }
        }
        self.using(&mut j.left, &parents);
        self.using(&mut j.right, &parents);
    }

    /// The names of all other columns.
    fn columns(&mut self, item: &mut Named<'_>) {
        match item {
            Named::Leaf(l) => self.leaf_columns(l),
            Named::Join(j) => {
                self.columns(&mut j.left);
                self.columns(&mut j.right);
                let mut changed = false;
                for (i, c) in j.join.columns.iter().enumerate() {
                    let below = c.left.and_then(|id| column_name(&j.left, id));
                    let real = below.or_else(|| c.right.and_then(|id| column_name(&j.right, id)));
                    let real = real.unwrap_or_else(|| c.name.clone());
                    let Some(alias) = &j.join.alias else {
                        j.columns[i] = Some(real);
                        continue;
                    };
                    if j.columns[i].is_none() {
                        let wanted = alias.columns.get(i).unwrap_or(&real);
                        j.columns[i] = Some(self.unique_column(wanted, &j.columns, &j.parent_using));
                    }
                    changed |= j.columns[i].as_ref() != Some(&real);
                }
                j.show_columns = changed;
            }
        }
    }

    fn leaf_columns(&self, l: &mut NamedLeaf<'_>) {
        let alias = l.leaf.alias.as_ref();
        let given = alias.map_or(&[][..], |a| &a.columns);
        let is_relation = matches!(l.leaf.kind, LeafKind::Relation { .. });
        let mut changed = false;
        for (i, (_, own)) in l.leaf.columns.iter().enumerate() {
            // Items that aren't relations have no names besides those of their alias.
            let real = if is_relation { own } else { given.get(i).unwrap_or(own) };
            if l.columns[i].is_none() {
                let wanted = given.get(i).unwrap_or(own);
                l.columns[i] = Some(self.unique_column(wanted, &l.columns, &l.parent_using));
            }
            changed |= l.columns[i].as_ref() != Some(real);
        }
        l.show_columns = match l.leaf.kind {
            LeafKind::Relation { .. } => changed,
            LeafKind::Function { .. } => true,
            LeafKind::Cte { .. } | LeafKind::Subquery(_) => changed || !given.is_empty(),
        };
    }
}

/// Gives a child's column a name.
fn give(item: &mut Named<'_>, id: Option<ColumnId>, name: &str) {
    let Some(id) = id else { return };
    let (found, columns) = match item {
        Named::Leaf(l) => (l.leaf.columns.iter().position(|(c, _)| *c == id), &mut l.columns),
        Named::Join(j) => (j.join.columns.iter().position(|c| c.id == id), &mut j.columns),
    };
    if let Some(i) = found {
        columns[i] = Some(name.to_string());
    }
}

fn column_name(item: &Named<'_>, id: ColumnId) -> Option<String> {
    match item {
        Named::Leaf(l) => {
            l.leaf.columns.iter().position(|(c, _)| *c == id).and_then(|i| l.columns[i].clone())
        }
        Named::Join(j) => j.join.columns.iter().position(|c| c.id == id).and_then(|i| j.columns[i].clone()),
    }
}

/// Makes the names known to what is written next.
pub(super) fn publish(item: &Named<'_>, names: &mut Names) {
    match item {
        Named::Leaf(l) => {
            let name = quote_identifier(&l.name);
            let mut ids = vec![];
            for ((id, _), column) in l.leaf.columns.iter().zip(&l.columns) {
                let column = quote_identifier(column.as_deref().unwrap_or(""));
                names.columns.insert(*id, format!("{name}.{column}"));
                ids.push(*id);
            }
            for (id, column) in &l.leaf.system {
                if column.is_empty() {
                    names.rows.insert(*id, name.clone());
                } else {
                    names.columns.insert(*id, format!("{name}.{column}"));
                }
            }
            names.items.push((ids, name));
        }
        Named::Join(j) => {
            publish(&j.left, names);
            publish(&j.right, names);
            let prefix = j.name.as_deref().map(quote_identifier);
            for (c, column) in j.join.columns.iter().zip(&j.columns) {
                let column = quote_identifier(column.as_deref().unwrap_or(""));
                match &prefix {
                    Some(name) => drop(names.columns.insert(c.id, format!("{name}.{column}"))),
                    None if Some(c.id) != c.left && Some(c.id) != c.right => {
                        names.columns.insert(c.id, column);
                    }
                    None => {}
                }
            }
            if let Some(name) = prefix {
                names.items.push((j.join.columns.iter().map(|c| c.id).collect(), name));
            }
        }
    }
}
