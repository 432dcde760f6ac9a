//! Random tables and queries over them, from a seed: nested and correlated subqueries, every kind of join, groupings, set
//! operations, windows, CTEs, and changes made with them. Two servers that are given the same text must answer with the
//! same rows.
//!
//! Every value is an integer and every table has few rows with few different values and NULLs, so that joins find matches and the
//! corner cases of three-valued logic come up. Nothing depends on the order of rows: limits follow an order over all
//! columns, and aggregates don't see their input's order.

use crate::rng::Rng;

/// Makes tables, then queries about them.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    aliases: u32,
    /// Subqueries and joins that may still be made in the current statement.
    budget: i32,
    /// CTEs of the current statement: name and number of columns.
    ctes: Vec<String>,
}

/// Columns that may be named, as they are written.
type Columns = Vec<String>;

const TABLES: [&str; 4] = ["t0", "t1", "t2", "t3"];
const COLUMNS: [&str; 3] = ["a", "b", "c"];

impl Generator {
    pub fn new(seed: u64) -> Generator {
        Generator { rng: Rng::new(seed), aliases: 0, budget: 0, ctes: vec![] }
    }

    /// Statements that make the tables anew.
    pub fn tables(&mut self) -> Vec<String> {
        let mut out = vec![];
        for (i, table) in TABLES.iter().enumerate() {
            out.push(format!("DROP TABLE IF EXISTS {table}"));
            // t1 has a key, t2 a unique column that may be NULL, t3 an index.
            let a = match i {
                1 => "a int PRIMARY KEY",
                2 => "a int UNIQUE",
                _ => "a int",
            };
            out.push(format!("CREATE TABLE {table} ({a}, b int, c int)"));
            if i == 3 {
                out.push(format!("CREATE INDEX ON {table} (b, c)"));
            }
            let rows = if self.rng.one_in(8) { 0 } else { self.rng.between(1, 8) };
            for n in 0..rows {
                let a = match i {
                    1 => n.to_string(),
                    2 if n > 0 => n.to_string(),
                    2 => "NULL".to_owned(),
                    _ => self.value(),
                };
                let (b, c) = (self.value(), self.value());
                out.push(format!("INSERT INTO {table} VALUES ({a}, {b}, {c})"));
            }
            if !self.rng.one_in(3) {
                out.push(format!("ANALYZE {table}"));
            }
        }
        out
    }

    /// One statement; a change of data is to be undone by who runs it.
    pub fn statement(&mut self) -> Vec<String> {
        (self.aliases, self.budget) = (0, 12);
        self.ctes.clear();
        if self.rng.one_in(8) {
            return self.change();
        }
        let with = if self.rng.one_in(8) { self.with() } else { String::new() };
        let columns = self.rng.between(1, 3) as usize;
        let body = self.query(3, &vec![], columns);
        vec![format!("{with}{body}")]
    }

    /// Settings that take a kind of plan away, so that others are tried.
    pub fn setting(&mut self) -> String {
        const KINDS: [&str; 8] =
            ["hashjoin", "mergejoin", "nestloop", "material", "memoize", "hashagg", "indexscan", "sort"];
        let kind = KINDS[self.rng.below(KINDS.len() as u64) as usize];
        let value = if self.rng.one_in(2) { "on" } else { "off" };
        format!("SET enable_{kind} = {value}")
    }

    fn change(&mut self) -> Vec<String> {
        let table = TABLES[[0, 3][self.rng.below(2) as usize]];
        let own: Columns = COLUMNS.iter().map(|c| format!("x.{c}")).collect();
        let condition = self.condition(2, &own, &vec![]);
        let mut returned = "*";
        let change = match self.rng.below(4) {
            0 => format!("DELETE FROM {table} x WHERE {condition}"),
            1 => {
                let (other, columns) = self.table();
                let join = self.condition(2, &[own, columns].concat(), &vec![]);
                // Which of several matches is returned is open: only the deleted row is.
                returned = "x.*";
                format!("DELETE FROM {table} x USING {other} WHERE {join}")
            }
            2 => {
                let (b, c) = (self.expression(2, &own, &vec![]), self.expression(2, &own, &vec![]));
                format!("UPDATE {table} x SET b = {b}, c = {c} WHERE {condition}")
            }
            _ => {
                let source = self.query(2, &vec![], 3);
                format!("INSERT INTO {table} {source}")
            }
        };
        vec![
            "BEGIN".into(),
            format!("{change} RETURNING {returned}"),
            format!("SELECT * FROM {table}"),
            "ROLLBACK".into(),
        ]
    }

    fn value(&mut self) -> String {
        if self.rng.one_in(5) { "NULL".into() } else { self.rng.between(0, 4).to_string() }
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("r{}", self.aliases)
    }

    fn spend(&mut self, depth: u32) -> bool {
        self.budget -= 1;
        depth > 0 && self.budget > 0
    }

    fn with(&mut self) -> String {
        let mut parts = vec![];
        for n in 0..self.rng.between(1, 2) {
            let body = self.query(1, &vec![], 3);
            let kind = ["", "", "MATERIALIZED ", "NOT MATERIALIZED "][self.rng.below(4) as usize];
            let name = format!("w{n}");
            parts.push(format!("{name} (a, b, c) AS {kind}({body})"));
            self.ctes.push(name);
        }
        format!("WITH {} ", parts.join(", "))
    }

    /// A query with columns `v1`, `v2`, ... that may read `outer`.
    fn query(&mut self, depth: u32, outer: &Columns, columns: usize) -> String {
        match self.rng.below(16) {
            2 if self.spend(depth) => {
                // A CTE of a subquery may depend on the rows around it; used twice, it is computed apart.
                let body = self.select(depth - 1, outer, 3);
                let name = format!("n{}", self.aliases);
                let kind = ["", "MATERIALIZED ", "NOT MATERIALIZED "][self.rng.below(3) as usize];
                self.ctes.push(name.clone());
                let query = self.select(depth - 1, outer, columns);
                self.ctes.pop();
                format!("WITH {name} (a, b, c) AS {kind}({body}) {query}")
            }
            0 if self.spend(depth) => {
                let op = ["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"]
                    [self.rng.below(6) as usize];
                let (l, r) = (self.query(depth - 1, outer, columns), self.query(depth - 1, outer, columns));
                format!("({l}) {op} ({r})")
            }
            1 => {
                let body = self.select(depth, outer, columns);
                let order: Vec<String> = (1..=columns).map(|n| n.to_string()).collect();
                let direction = if self.rng.one_in(2) { " DESC" } else { "" };
                let offset = if self.rng.one_in(3) { " OFFSET 1" } else { "" };
                let limit = self.rng.between(0, 4);
                format!("({body}) ORDER BY {}{direction} LIMIT {limit}{offset}", order.join(", "))
            }
            _ => self.select(depth, outer, columns),
        }
    }

    fn select(&mut self, depth: u32, outer: &Columns, columns: usize) -> String {
        let (from, own) = self.from(depth, outer);
        let filter = if self.rng.one_in(4) {
            String::new()
        } else {
            format!(" WHERE {}", self.condition(depth, &own, outer))
        };
        let names = |targets: Vec<String>| {
            let named: Vec<String> =
                targets.iter().enumerate().map(|(n, t)| format!("{t} AS v{}", n + 1)).collect();
            named.join(", ")
        };
        match self.rng.below(8) {
            0 => {
                let group: Vec<String> =
                    (0..self.rng.between(1, 2)).map(|_| self.pick(&own, outer)).collect();
                let targets: Vec<String> = (0..columns)
                    .map(|_| {
                        if self.rng.one_in(2) {
                            group[self.rng.below(group.len() as u64) as usize].clone()
                        } else {
                            self.aggregate(&own, outer)
                        }
                    })
                    .collect();
                let having = if self.rng.one_in(3) {
                    let (left, right) = (self.aggregate(&own, outer), self.rng.between(0, 3));
                    format!(" HAVING {left} {} {right}", self.comparison())
                } else {
                    String::new()
                };
                format!("SELECT {} FROM {from}{filter} GROUP BY {}{having}", names(targets), group.join(", "))
            }
            1 => {
                let targets: Vec<String> = (0..columns).map(|_| self.aggregate(&own, outer)).collect();
                format!("SELECT {} FROM {from}{filter}", names(targets))
            }
            2 => {
                let targets: Vec<String> = (0..columns)
                    .map(|_| {
                        let (call, by) = (self.aggregate(&own, &vec![]), self.pick(&own, &vec![]));
                        if call.contains("DISTINCT") {
                            return by;
                        }
                        let call = call.replace("::int", "");
                        match self.rng.below(3) {
                            0 => format!("({call} OVER (PARTITION BY {by}))::int"),
                            1 => format!("({call} OVER (ORDER BY {by}))::int"),
                            _ => format!("(rank() OVER (ORDER BY {by}))::int"),
                        }
                    })
                    .collect();
                format!("SELECT {} FROM {from}{filter}", names(targets))
            }
            kind => {
                let targets: Vec<String> =
                    (0..columns).map(|_| self.expression(depth, &own, outer)).collect();
                let distinct = if kind == 3 { "DISTINCT " } else { "" };
                format!("SELECT {distinct}{} FROM {from}{filter}", names(targets))
            }
        }
    }

    fn table(&mut self) -> (String, Columns) {
        let alias = self.alias();
        let name = if !self.ctes.is_empty() && self.rng.one_in(2) {
            self.ctes[self.rng.below(self.ctes.len() as u64) as usize].clone()
        } else {
            TABLES[self.rng.below(TABLES.len() as u64) as usize].to_owned()
        };
        let columns = COLUMNS.iter().map(|c| format!("{alias}.{c}")).collect();
        (format!("{name} {alias}"), columns)
    }

    fn from(&mut self, depth: u32, outer: &Columns) -> (String, Columns) {
        let (mut sql, mut columns) = self.join_tree(depth, outer, &vec![]);
        while self.rng.one_in(4) && self.spend(depth) {
            let (more, more_columns) = self.join_tree(depth - 1, outer, &columns);
            sql = format!("{sql}, {more}");
            columns.extend(more_columns);
        }
        (sql, columns)
    }

    /// `left`: columns that a LATERAL item may read.
    fn join_tree(&mut self, depth: u32, outer: &Columns, left: &Columns) -> (String, Columns) {
        if self.rng.one_in(2) || !self.spend(depth) {
            return self.item(depth, outer, left);
        }
        let (l, mut columns) = self.join_tree(depth - 1, outer, left);
        let kind = ["JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"]
            [self.rng.below(6) as usize];
        let lateral = match kind {
            "JOIN" | "LEFT JOIN" | "CROSS JOIN" => [left.clone(), columns.clone()].concat(),
            _ => vec![],
        };
        let (r, right) = self.join_tree(depth - 1, outer, &lateral);
        let r = if r.contains(" JOIN ") { format!("({r})") } else { r };
        let condition = match kind {
            "CROSS JOIN" => String::new(),
            _ => {
                let (a, b) = (self.pick(&columns, &vec![]), self.pick(&right, &vec![]));
                let equal = format!("{a} = {b}");
                let both = [columns.clone(), right.clone()].concat();
                match self.rng.below(6) {
                    0 if kind != "FULL JOIN" => format!(" ON {}", self.condition(depth - 1, &both, outer)),
                    1 => format!(" ON {equal} AND {}", self.comparison_of(&both, &vec![])),
                    2 if kind != "FULL JOIN" => {
                        format!(" ON {equal} AND {}", self.condition(depth - 1, &both, outer))
                    }
                    _ => format!(" ON {equal}"),
                }
            }
        };
        columns.extend(right);
        (format!("{l} {kind} {r}{condition}"), columns)
    }

    fn item(&mut self, depth: u32, outer: &Columns, left: &Columns) -> (String, Columns) {
        match self.rng.below(10) {
            0 | 1 if self.spend(depth) => {
                let columns = self.rng.between(1, 3) as usize;
                let lateral = !left.is_empty() && self.rng.one_in(2);
                let seen = if lateral { [outer.clone(), left.clone()].concat() } else { outer.clone() };
                let body = self.query(depth - 1, &seen, columns);
                let alias = self.alias();
                let names = (1..=columns).map(|n| format!("{alias}.v{n}")).collect();
                let names_list: Vec<String> = (1..=columns).map(|n| format!("v{n}")).collect();
                let word = if lateral { "LATERAL " } else { "" };
                (format!("{word}({body}) {alias} ({})", names_list.join(", ")), names)
            }
            2 => {
                let alias = self.alias();
                let (a, b) = (self.value(), self.rng.between(0, 4));
                (format!("(VALUES ({a}::int), ({b})) {alias} (a)"), vec![format!("{alias}.a")])
            }
            3 => {
                let (alias, to) = (self.alias(), self.rng.between(0, 3));
                (format!("generate_series(1, {to}) {alias} (a)"), vec![format!("{alias}.a")])
            }
            _ => self.table(),
        }
    }

    /// A column, more often the query's own than an outer one.
    fn pick(&mut self, own: &Columns, outer: &Columns) -> String {
        let from = if !outer.is_empty() && (own.is_empty() || self.rng.one_in(4)) { outer } else { own };
        from[self.rng.below(from.len() as u64) as usize].clone()
    }

    fn comparison(&mut self) -> &'static str {
        ["=", "=", "=", "<>", "<", ">", "<=", ">="][self.rng.below(8) as usize]
    }

    fn comparison_of(&mut self, own: &Columns, outer: &Columns) -> String {
        let (left, op) = (self.pick(own, outer), self.comparison());
        if self.rng.one_in(3) {
            format!("{left} {op} {}", self.rng.between(0, 4))
        } else {
            format!("{left} {op} {}", self.pick(own, outer))
        }
    }

    /// An aggregate whose result is an int and doesn't depend on its input's order.
    fn aggregate(&mut self, own: &Columns, outer: &Columns) -> String {
        let column = self.pick(own, outer);
        // An aggregate of outer columns alone belongs to the outer query.
        let column = if own.contains(&column) { column } else { own[0].clone() };
        match self.rng.below(6) {
            0 => "count(*)::int".into(),
            1 => format!("count({column})::int"),
            2 => format!("sum({column})::int"),
            3 => format!("min({column})"),
            4 => format!("count(DISTINCT {column})::int"),
            _ => format!("max({column})"),
        }
    }

    fn expression(&mut self, depth: u32, own: &Columns, outer: &Columns) -> String {
        let seen = [own.clone(), outer.clone()].concat();
        match self.rng.below(12) {
            0 => self.rng.between(0, 4).to_string(),
            1 => format!("{} + {}", self.pick(own, outer), self.rng.between(0, 2)),
            2 => format!("coalesce({}, {})", self.pick(own, outer), self.rng.between(0, 4)),
            3 if self.spend(depth) => format!("({})", self.scalar(depth - 1, &seen)),
            4 if self.spend(depth) => {
                let condition = self.condition(depth - 1, own, outer);
                format!("CASE WHEN {condition} THEN {} ELSE 9 END", self.pick(own, outer))
            }
            5 => format!("greatest({}, {})", self.pick(own, outer), self.pick(own, outer)),
            6 if self.spend(depth) => {
                let condition = self.condition(depth - 1, own, outer);
                format!("({condition})::int")
            }
            _ => self.pick(own, outer),
        }
    }

    /// A query of one row at most.
    fn scalar(&mut self, depth: u32, outer: &Columns) -> String {
        let (from, own) = self.from(depth, outer);
        let filter = self.condition(depth, &own, outer);
        match self.rng.below(5) {
            0 => {
                let column = self.pick(&own, &vec![]);
                format!("SELECT {column} FROM {from} WHERE {filter} ORDER BY 1 LIMIT 1")
            }
            1 => {
                let (column, default) = (self.pick(&own, &vec![]), self.rng.between(0, 4));
                format!("SELECT coalesce(max({column}), {default}) FROM {from} WHERE {filter}")
            }
            _ => {
                let call = self.aggregate(&own, &vec![]);
                format!("SELECT {call} FROM {from} WHERE {filter}")
            }
        }
    }

    fn condition(&mut self, depth: u32, own: &Columns, outer: &Columns) -> String {
        let seen = [own.clone(), outer.clone()].concat();
        match self.rng.below(20) {
            0 | 1 if self.spend(depth) => {
                let not = if self.rng.one_in(2) { "NOT " } else { "" };
                format!("{not}EXISTS ({})", self.query(depth - 1, &seen, 1))
            }
            2 | 3 if self.spend(depth) => {
                let (from, inner) = self.from(depth - 1, &seen);
                let link = format!(
                    "{} = {}",
                    self.pick(&inner, &vec![]),
                    self.pick(if own.is_empty() { outer } else { own }, &vec![])
                );
                let more = self.condition(depth - 1, &inner, &seen);
                let not = if self.rng.one_in(2) { "NOT " } else { "" };
                format!("{not}EXISTS (SELECT FROM {from} WHERE {link} AND {more})")
            }
            4 | 5 if self.spend(depth) => {
                let not = if self.rng.one_in(3) { "NOT " } else { "" };
                format!("{} {not}IN ({})", self.pick(own, outer), self.query(depth - 1, &seen, 1))
            }
            6 if self.spend(depth) => {
                let (op, all) = (self.comparison(), if self.rng.one_in(2) { "ANY" } else { "ALL" });
                format!("{} {op} {all} ({})", self.pick(own, outer), self.query(depth - 1, &seen, 1))
            }
            7 | 8 if self.spend(depth) => {
                let op = self.comparison();
                format!("{} {op} ({})", self.pick(own, outer), self.scalar(depth - 1, &seen))
            }
            9 if self.spend(depth) => {
                let (a, b) = (self.pick(own, outer), self.pick(own, outer));
                format!("({a}, {b}) IN ({})", self.query(depth - 1, &seen, 2))
            }
            10 => {
                let not = if self.rng.one_in(2) { "NOT " } else { "" };
                format!("{} IS {not}NULL", self.pick(own, outer))
            }
            11 => format!("{} IS DISTINCT FROM {}", self.pick(own, outer), self.pick(own, outer)),
            12 if depth > 0 => {
                let (a, b) = (self.condition(depth - 1, own, outer), self.condition(depth - 1, own, outer));
                format!("({a} OR {b})")
            }
            13 if depth > 0 => format!("NOT ({})", self.condition(depth - 1, own, outer)),
            14 => format!("{} IN (1, 2, NULL)", self.pick(own, outer)),
            15 => format!("coalesce({}, 2) {} 2", self.pick(own, outer), self.comparison()),
            16 | 17 if depth > 0 => {
                let (a, b) = (self.condition(depth - 1, own, outer), self.condition(depth - 1, own, outer));
                format!("{a} AND {b}")
            }
            _ => self.comparison_of(own, outer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_statements() {
        let (mut a, mut b) = (Generator::new(5), Generator::new(5));
        assert_eq!(a.tables(), b.tables());
        for _ in 0..50 {
            assert_eq!(a.statement(), b.statement());
        }
    }
}
