//! Random join queries, from a seed: three to seven tables in every kind of join, nested as FROM allows, with NULLs, conditions over
//! several tables, LATERAL items, EXISTS, IN and other subqueries, groups, windows and limits. What they answer must not depend on the order and methods of their joins.
//!
//! Tables are small with few different values, so that joins find matches and results stay small; one is larger, so
//! that indexes are worth using.

use crate::rng::Rng;

const TABLES: usize = 6;
const COLUMNS: [&str; 3] = ["a", "b", "c"];

/// Makes tables, then queries over them.
#[derive(Debug)]
pub struct Joins {
    rng: Rng,
    aliases: u32,
    /// Tables that the current query may still name.
    left: u32,
}

type Columns = Vec<String>;

impl Joins {
    pub fn new(seed: u64) -> Joins {
        Joins { rng: Rng::new(seed), aliases: 0, left: 0 }
    }

    /// Statements that make the tables anew.
    pub fn tables(&mut self) -> Vec<String> {
        let mut out = vec![];
        for i in 0..TABLES {
            out.push(format!("DROP TABLE IF EXISTS j{i}"));
            let a = match i {
                1 => "a int PRIMARY KEY",
                2 => "a int UNIQUE",
                _ => "a int",
            };
            // Whole numbers of other widths: joins between them compare across types.
            let (b, c) = match i {
                0 => ("int", "smallint"),
                3 => ("bigint", "int"),
                5 => ("smallint", "bigint"),
                _ => ("int", "int"),
            };
            out.push(format!("CREATE TABLE j{i} ({a}, b {b}, c {c})"));
            match i {
                3 => out.push("CREATE INDEX ON j3 (b, c)".into()),
                4 => out.push("CREATE INDEX ON j4 (a)".into()),
                _ => {}
            }
            let rows = match i {
                4 => 40,
                _ if self.rng.one_in(12) => 0,
                _ => self.rng.between(1, 7),
            };
            let mut values = vec![];
            for n in 0..rows {
                let a = match i {
                    1 => n.to_string(),
                    2 if n > 0 => n.to_string(),
                    2 => "NULL".to_owned(),
                    4 => (n % 20).to_string(),
                    _ => self.value(),
                };
                let (b, c) = (self.value(), self.value());
                values.push(format!("({a}, {b}, {c})"));
            }
            if !values.is_empty() {
                out.push(format!("INSERT INTO j{i} VALUES {}", values.join(", ")));
            }
            if !self.rng.one_in(3) {
                out.push(format!("ANALYZE j{i}"));
            }
        }
        out
    }

    /// One query.
    pub fn query(&mut self) -> String {
        (self.aliases, self.left) = (0, self.rng.between(3, 7) as u32);
        let (mut from, mut columns) = self.tree(4, &vec![]);
        while self.left > 0 && self.rng.one_in(3) {
            let (more, more_columns) = self.tree(2, &columns);
            from = format!("{from}, {more}");
            columns.extend(more_columns);
        }
        let mut filters = vec![];
        for _ in 0..self.rng.below(4) {
            filters.push(self.condition(&columns));
        }
        let filter =
            if filters.is_empty() { String::new() } else { format!(" WHERE {}", filters.join(" AND ")) };
        match self.rng.below(14) {
            12 => {
                let (shown, guarded) = (self.pick(&columns), self.guarded(&columns));
                format!("SELECT {shown}, {guarded} FROM {from}{filter}")
            }
            13 => {
                let (shown, compared) = (self.pick(&columns), self.compared(&columns));
                format!("SELECT {shown}, {compared} FROM {from}{filter}")
            }
            10 => {
                let (shown, list) = (self.pick(&columns), self.array(&columns));
                format!("SELECT {shown}, {list} FROM {from}{filter}")
            }
            11 => {
                let (x, y) = (self.scalar(&columns), self.condition(&columns));
                let (shown, nested) = (self.pick(&columns), self.nested(&columns));
                format!(
                    "SELECT {shown}, coalesce(({x}), -1), CASE WHEN {y} THEN ({nested}) END FROM {from}{filter}"
                )
            }
            6 => {
                let (key, value) = (self.pick(&columns), self.pick(&columns));
                let call = ["rank()", "dense_rank()"][self.rng.below(2) as usize];
                format!(
                    "SELECT {key}, {value}, {call} OVER (PARTITION BY {key} ORDER BY {value}), \
                     count(*) OVER (PARTITION BY {value}) FROM {from}{filter}"
                )
            }
            7 => {
                let shown = self.pick(&columns);
                let scalar = self.scalar(&columns);
                format!("SELECT {shown}, ({scalar}) FROM {from}{filter}")
            }
            8 => {
                // All rows that are equal in what is shown are alike: whichever of them the limit leaves.
                let (x, y) = (self.pick(&columns), self.pick(&columns));
                let (limit, offset) = (self.rng.between(1, 6), self.rng.between(0, 3));
                format!(
                    "SELECT {x}, {y} FROM {from}{filter} ORDER BY {x} DESC, {y} LIMIT {limit} OFFSET {offset}"
                )
            }
            9 => {
                let (key, other) = (self.pick(&columns), self.pick(&columns));
                let scalar = self.scalar(&vec![key.clone()]);
                format!(
                    "SELECT {key}, max({other}), count(DISTINCT {other}) FROM {from}{filter} GROUP BY {key} \
                     HAVING count(*) >= coalesce(({scalar}), 0)"
                )
            }
            0 => {
                let (key, value) = (self.pick(&columns), self.pick(&columns));
                format!("SELECT {key}, count(*), sum({value}) FROM {from}{filter} GROUP BY {key}")
            }
            1 => format!("SELECT count(*) FROM {from}{filter}"),
            2 => {
                let shown: Vec<String> = (0..3).map(|_| self.pick(&columns)).collect();
                let order = if self.rng.one_in(2) { "1, 2 DESC, 3" } else { "3, 1, 2" };
                format!("SELECT {} FROM {from}{filter} ORDER BY {order} LIMIT 20", shown.join(", "))
            }
            3 => format!("SELECT DISTINCT {}, {} FROM {from}{filter}", columns[0], self.pick(&columns)),
            _ => format!("SELECT {} FROM {from}{filter}", columns.join(", ")),
        }
    }

    fn value(&mut self) -> String {
        if self.rng.one_in(5) { "NULL".into() } else { self.rng.between(0, 4).to_string() }
    }

    fn pick(&mut self, from: &Columns) -> String {
        from[self.rng.below(from.len() as u64) as usize].clone()
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("r{}", self.aliases)
    }

    fn table(&mut self) -> (String, Columns) {
        self.left = self.left.saturating_sub(1);
        let (n, alias) = (self.rng.below(TABLES as u64), self.alias());
        (format!("j{n} {alias}"), COLUMNS.iter().map(|c| format!("{alias}.{c}")).collect())
    }

    /// `before`: columns that a LATERAL item may read.
    fn tree(&mut self, depth: u32, before: &Columns) -> (String, Columns) {
        if depth == 0 || self.left < 2 || self.rng.one_in(6) {
            return self.item(before);
        }
        let (l, mut columns) = self.tree(depth - 1, before);
        let kind = [
            "JOIN",
            "JOIN",
            "JOIN",
            "LEFT JOIN",
            "LEFT JOIN",
            "LEFT JOIN",
            "RIGHT JOIN",
            "FULL JOIN",
            "CROSS JOIN",
        ][self.rng.below(9) as usize];
        let lateral = match kind {
            "JOIN" | "LEFT JOIN" | "CROSS JOIN" => [before.clone(), columns.clone()].concat(),
            _ => vec![],
        };
        let (r, right) = self.tree(depth - 1, &lateral);
        let r = if r.contains(" JOIN ") { format!("({r})") } else { r };
        let on = match kind {
            "CROSS JOIN" => String::new(),
            // PostgreSQL can do a full join by equality alone.
            "FULL JOIN" => format!(" ON {} = {}", self.pick(&columns), self.pick(&right)),
            _ => {
                let mut parts = vec![];
                if !self.rng.one_in(8) {
                    parts.push(format!("{} = {}", self.pick(&columns), self.pick(&right)));
                }
                let both = [columns.clone(), right.clone()].concat();
                while parts.is_empty() || self.rng.one_in(4) {
                    parts.push(self.simple(&both));
                }
                format!(" ON {}", parts.join(" AND "))
            }
        };
        columns.extend(right);
        (format!("{l} {kind} {r}{on}"), columns)
    }

    fn item(&mut self, before: &Columns) -> (String, Columns) {
        match self.rng.below(10) {
            0 => {
                let (table, columns) = self.table();
                let lateral = !before.is_empty() && self.rng.one_in(2);
                let filter = if lateral {
                    format!("{} = {}", self.pick(&columns), self.pick(before))
                } else {
                    self.simple(&columns)
                };
                let limit = if self.rng.one_in(3) { " ORDER BY a, b, c LIMIT 2" } else { "" };
                let (word, alias) = (if lateral { "LATERAL " } else { "" }, self.alias());
                let list = columns.join(", ");
                let sql = format!("{word}(SELECT {list} FROM {table} WHERE {filter}{limit}) {alias}");
                (sql, COLUMNS.iter().map(|c| format!("{alias}.{c}")).collect())
            }
            1 if self.left > 1 => {
                // A join within a subquery, with a condition of its own.
                let (l, left) = self.table();
                let (r, right) = self.table();
                let kind = ["JOIN", "LEFT JOIN", "FULL JOIN"][self.rng.below(3) as usize];
                let both = [left.clone(), right.clone()].concat();
                let on = format!("{} = {}", self.pick(&left), self.pick(&right));
                let filter = match self.rng.one_in(2) {
                    true => format!(" WHERE {}", self.simple(&both)),
                    false => String::new(),
                };
                let alias = self.alias();
                let (a, b, c) = (self.pick(&left), self.pick(&right), self.pick(&both));
                let sql = format!(
                    "(SELECT {a} AS a, {b} AS b, {c} AS c FROM {l} {kind} {r} ON {on}{filter}) {alias}"
                );
                (sql, COLUMNS.iter().map(|c| format!("{alias}.{c}")).collect())
            }
            2 => {
                let (alias, to) = (self.alias(), self.rng.between(0, 3));
                (format!("generate_series(1, {to}) {alias} (a)"), vec![format!("{alias}.a")])
            }
            _ => self.table(),
        }
    }

    /// A condition without a subquery.
    fn simple(&mut self, columns: &Columns) -> String {
        let (x, y, z) = (self.pick(columns), self.pick(columns), self.pick(columns));
        let n = self.rng.between(0, 4);
        match self.rng.below(12) {
            0..=2 => format!("{x} = {y}"),
            3 => format!("{x} < {y}"),
            4 => format!("{x} = {n}"),
            5 => format!("{x} + {y} = {z}"),
            6 => format!("coalesce({x}, {n}) = {y}"),
            7 => format!("{x} IS NULL"),
            8 => format!("{x} IS NOT DISTINCT FROM {y}"),
            9 => format!("({x} = {n} OR {y} = {z})"),
            10 => format!("{x} IN ({n}, {y})"),
            _ => format!("coalesce({x}, {y}, {n}) <> {z}"),
        }
    }

    /// A subquery of one row at most that reads `outer`.
    fn scalar(&mut self, outer: &Columns) -> String {
        let (table, inner) = self.table();
        let link = match self.rng.below(3) {
            0 => format!("{} < {}", self.pick(&inner), self.pick(outer)),
            _ => format!("{} = {}", self.pick(&inner), self.pick(outer)),
        };
        let value = self.pick(&inner);
        match self.rng.below(4) {
            0 => format!("SELECT count(*) FROM {table} WHERE {link}"),
            1 => format!("SELECT sum({value}) FROM {table} WHERE {link}"),
            2 => format!("SELECT {value} FROM {table} WHERE {link} ORDER BY 1 LIMIT 1"),
            _ => format!("SELECT max({value}) FROM {table} WHERE {link} AND {}", self.simple(&inner)),
        }
    }

    /// The values of a subquery that reads `outer`, in an order that leaves no choice.
    fn array(&mut self, outer: &Columns) -> String {
        let (table, inner) = self.table();
        let link = match self.rng.below(3) {
            0 => self.simple(&[inner.clone(), outer.clone()].concat()),
            _ => format!("{} = {}", self.pick(&inner), self.pick(outer)),
        };
        let value = self.pick(&inner);
        let limit = if self.rng.one_in(3) { " LIMIT 2" } else { "" };
        format!("ARRAY(SELECT {value} FROM {table} WHERE {link} ORDER BY 1{limit})")
    }

    /// A subquery that may fail, by a second row or by dividing by 0, asked for only where it doesn't.
    fn guarded(&mut self, outer: &Columns) -> String {
        let (table, inner) = self.table();
        let op = ["=", "=", "<"][self.rng.below(3) as usize];
        let mut link = format!("{} {op} {}", self.pick(&inner), self.pick(outer));
        if self.rng.one_in(3) {
            link = format!("{link} AND {}", self.simple(&inner));
        }
        let (x, y) = (self.pick(&inner), self.pick(&inner));
        match self.rng.below(3) {
            0 => format!(
                "CASE WHEN (SELECT count(*) FROM {table} WHERE {link}) <= 1 \
                 THEN (SELECT {x} + coalesce({y}, 1) FROM {table} WHERE {link}) END"
            ),
            1 => format!(
                "CASE WHEN NOT EXISTS (SELECT FROM {table} WHERE {link} AND {y} = 0) \
                 THEN (SELECT sum({x} / {y}) FROM {table} WHERE {link}) END"
            ),
            _ => format!(
                "CASE WHEN NOT EXISTS (SELECT FROM {table} WHERE {link} AND {y} = 0) \
                 THEN (SELECT count(*) FROM {table} WHERE {link} AND 4 / {y} > {x}) END"
            ),
        }
    }

    /// A comparison with all or any values of a subquery, whatever is known of it.
    fn compared(&mut self, outer: &Columns) -> String {
        let (table, inner) = self.table();
        let (x, y) = (self.pick(outer), self.pick(&inner));
        let op = ["<", "<=", ">", ">=", "=", "<>"][self.rng.below(6) as usize];
        let all = ["ANY", "ALL"][self.rng.below(2) as usize];
        let filter = match self.rng.below(4) {
            0 => String::new(),
            1 => format!(" WHERE {}", self.simple(&inner)),
            2 => format!(" WHERE {} < {}", self.pick(&inner), self.pick(outer)),
            _ => format!(" WHERE {} = {}", self.pick(&inner), self.pick(outer)),
        };
        format!("{x} {op} {all} (SELECT {y} FROM {table}{filter})")
    }

    /// A subquery of one row within which another one reads `outer`, or both.
    fn nested(&mut self, outer: &Columns) -> String {
        let (table, inner) = self.table();
        let (link, value) = (self.pick(&inner), self.pick(&inner));
        let seen = if self.rng.one_in(2) { [inner.clone(), outer.clone()].concat() } else { outer.clone() };
        let deeper = self.scalar(&seen);
        format!("SELECT max({value}) FROM {table} WHERE {link} = ({deeper})")
    }

    fn condition(&mut self, columns: &Columns) -> String {
        let not = if self.rng.one_in(2) { "NOT " } else { "" };
        let subquery = |this: &mut Joins| {
            let (mut from, mut inner) = this.table();
            if this.rng.one_in(3) {
                let (more, right) = this.table();
                let kind = ["JOIN", "LEFT JOIN"][this.rng.below(2) as usize];
                from = format!("{from} {kind} {more} ON {} = {}", this.pick(&inner), this.pick(&right));
                inner.extend(right);
            }
            (from, inner)
        };
        match self.rng.below(17) {
            14 => {
                // Several columns at once: a row is in or not in, or nobody knows.
                let (from, inner) = subquery(self);
                let n = self.rng.between(2, 3);
                let list = |this: &mut Joins, of: &Columns| {
                    (0..n).map(|_| this.pick(of)).collect::<Vec<_>>().join(", ")
                };
                let (mine, theirs) = (list(self, columns), list(self, &inner));
                let filter = match self.rng.below(3) {
                    0 => String::new(),
                    1 => format!(" WHERE {} = {}", self.pick(&inner), self.pick(columns)),
                    _ => format!(" WHERE {}", self.simple(&inner)),
                };
                format!("({mine}) {not}IN (SELECT {theirs} FROM {from}{filter})")
            }
            15 => {
                let (x, list) = (self.pick(columns), self.array(columns));
                match self.rng.below(3) {
                    0 => format!("{x} = ANY ({list})"),
                    1 => format!("{x} <> ALL ({list})"),
                    _ => format!("cardinality({list}) <= {}", self.rng.between(0, 3)),
                }
            }
            16 => {
                // A subquery that may have no say, below OR, CASE and the like.
                let (a, b) = (self.simple(columns), self.simple(columns));
                let (from, inner) = subquery(self);
                let (x, y) = (self.pick(columns), self.pick(&inner));
                let link = format!("{} = {}", self.pick(&inner), self.pick(columns));
                match self.rng.below(4) {
                    0 => format!("({a} OR {x} {not}IN (SELECT {y} FROM {from} WHERE {link}))"),
                    1 => format!("({a} OR {not}EXISTS (SELECT FROM {from} WHERE {link} AND {b}))"),
                    2 => format!("CASE WHEN {a} THEN {b} ELSE {x} {not}IN (SELECT {y} FROM {from}) END"),
                    _ => format!("({x} {not}IN (SELECT {y} FROM {from} WHERE {link})) IS NOT TRUE"),
                }
            }
            11 => {
                // More than a join: one group, a union, a few rows of an order.
                let (from, inner) = subquery(self);
                let op = ["=", "<", ">=", "<>"][self.rng.below(4) as usize];
                let link = format!("{} {op} {}", self.pick(&inner), self.pick(columns));
                let (y, n) = (self.pick(&inner), self.rng.between(0, 3));
                match self.rng.below(3) {
                    0 => format!("{not}EXISTS (SELECT FROM {from} WHERE {link} HAVING count({y}) <= {n})"),
                    1 => {
                        let other = self.simple(columns);
                        format!(
                            "{not}EXISTS (SELECT {y} FROM {from} WHERE {link} AND {other} LIMIT 2 OFFSET {n})"
                        )
                    }
                    _ => format!(
                        "{not}EXISTS (SELECT {y} FROM {from} WHERE {link} GROUP BY {y} HAVING count(*) > {n})"
                    ),
                }
            }
            12 => {
                let (from, inner) = subquery(self);
                let (table, other) = self.table();
                let op = ["=", "<", ">="][self.rng.below(3) as usize];
                let link = format!("{} {op} {}", self.pick(&inner), self.pick(columns));
                let both = [other.clone(), columns.clone()].concat();
                let (x, y, z, simple) =
                    (self.pick(columns), self.pick(&inner), self.pick(&other), self.simple(&both));
                let set = ["UNION", "UNION ALL", "INTERSECT", "EXCEPT"][self.rng.below(4) as usize];
                format!(
                    "{x} {not}IN (SELECT {y} FROM {from} WHERE {link} {set} SELECT {z} FROM {table} WHERE {simple})"
                )
            }
            13 => {
                let (a, b, c, d) =
                    (self.simple(columns), self.simple(columns), self.simple(columns), self.simple(columns));
                format!("({a} AND {b} OR {c} AND {d})")
            }
            8 => {
                // Correlated, so that NULLs of either side decide.
                let (from, inner) = subquery(self);
                let (x, y) = (self.pick(columns), self.pick(&inner));
                let link = format!("{} = {}", self.pick(&inner), self.pick(columns));
                format!("{x} {not}IN (SELECT {y} FROM {from} WHERE {link})")
            }
            9 => {
                let (from, inner) = subquery(self);
                let (x, y) = (self.pick(columns), self.pick(&inner));
                let (op, all) = (["=", "<", ">=", "<>"][self.rng.below(4) as usize], ["ANY", "ALL"]);
                format!("{x} {op} {} (SELECT {y} FROM {from})", all[self.rng.below(2) as usize])
            }
            10 => {
                let op = ["=", "<", ">="][self.rng.below(3) as usize];
                format!("{} {op} ({})", self.pick(columns), self.scalar(columns))
            }
            0 | 1 => {
                let (from, inner) = subquery(self);
                let link = format!("{} = {}", self.pick(&inner), self.pick(columns));
                let both = [inner, columns.clone()].concat();
                let more = if self.rng.one_in(3) { self.simple(&both) } else { "true".into() };
                format!("{not}EXISTS (SELECT FROM {from} WHERE {link} AND {more})")
            }
            2 => {
                let (from, inner) = subquery(self);
                let x = self.pick(columns);
                format!(
                    "{x} {not}IN (SELECT {} FROM {from} WHERE {})",
                    self.pick(&inner),
                    self.simple(&inner)
                )
            }
            _ => self.simple(columns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_makes_the_same() {
        let all = |seed| {
            let mut j = Joins::new(seed);
            let mut out = j.tables();
            out.extend((0..20).map(|_| j.query()));
            out
        };
        assert_eq!(all(5), all(5));
        assert_ne!(all(5), all(6));
    }
}
