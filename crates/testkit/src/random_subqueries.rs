//! Random queries made of correlated subqueries, from a seed: scalar ones, EXISTS, IN, ANY, ALL, ARRAY, rows and LATERAL items, nested up to
//! three deep, wherever a query has an expression: in SELECT, WHERE, HAVING, the conditions of outer joins, over groups, grouping sets and
//! windows, in ORDER BY, CASE and below OR; in changes, too. Each answers the same rows whatever its plan, and hardly any fails.

use crate::rng::Rng;

const TABLES: u64 = 4;
const COLUMNS: [&str; 4] = ["a", "b", "c", "k"];
const COMPARISONS: [&str; 6] = ["=", "=", "<>", "<", ">", ">="];

/// Makes tables, then queries over them.
#[derive(Debug)]
pub struct Subqueries {
    rng: Rng,
    aliases: u32,
    /// Tables that the current query may still name: subqueries of subqueries are run for each row of each row somewhere.
    left: u32,
}

type Columns = Vec<String>;

fn both(a: &Columns, b: &Columns) -> Columns {
    [a.as_slice(), b].concat()
}

impl Subqueries {
    /// The same seed always makes the same.
    pub fn new(seed: u64) -> Subqueries {
        Subqueries { rng: Rng::new(seed), aliases: 0, left: 0 }
    }

    /// Statements that make the tables anew.
    pub fn tables(&mut self) -> Vec<String> {
        let heads = [
            "a int, b int, c int, k int PRIMARY KEY",
            "a int, b int, c int, k int PRIMARY KEY",
            "a int NOT NULL, b int, c int, k int UNIQUE",
            "a int, b int NOT NULL, c int, k int",
        ];
        let mut out = vec![];
        for (i, head) in heads.iter().enumerate() {
            out.push(format!("DROP TABLE IF EXISTS q{i}"));
            out.push(format!("CREATE TABLE q{i} ({head})"));
            match i {
                1 => out.push("CREATE INDEX ON q1 (a)".into()),
                3 => out.push("CREATE INDEX ON q3 (b, c)".into()),
                _ => {}
            }
            let rows = match i {
                3 => 30,
                _ if self.rng.one_in(15) => 0,
                _ => self.rng.between(2, 10),
            };
            let mut values = vec![];
            for k in 0..rows {
                let (a, b, c) = (self.stored(i == 2), self.stored(i == 3), self.stored(false));
                values.push(format!("({a}, {b}, {c}, {k})"));
            }
            if !values.is_empty() {
                out.push(format!("INSERT INTO q{i} VALUES {}", values.join(", ")));
            }
            if !self.rng.one_in(3) {
                out.push(format!("ANALYZE q{i}"));
            }
        }
        out
    }

    fn stored(&mut self, not_null: bool) -> String {
        if !not_null && self.rng.one_in(6) { "NULL".into() } else { self.rng.between(0, 5).to_string() }
    }

    /// One query, or a change that returns its rows.
    pub fn query(&mut self) -> String {
        (self.aliases, self.left) = (0, self.rng.between(4, 8) as u32);
        if self.rng.one_in(8) {
            return self.change();
        }
        let (from, columns) = self.from(&vec![], 2);
        let mut filters: Vec<String> = (0..self.rng.below(3)).map(|_| self.condition(&columns, 2)).collect();
        if self.rng.one_in(2) {
            filters.push(self.asks(&columns, 2));
        }
        let filter =
            if filters.is_empty() { String::new() } else { format!(" WHERE {}", filters.join(" AND ")) };
        let (x, y) = (self.pick(&columns), self.pick(&columns));
        match self.rng.below(12) {
            0 => {
                let (asked, scalar) = (self.asks(&columns, 1), self.scalar(&vec![x.clone()], 1));
                let sets = ["ROLLUP", "CUBE"][self.rng.below(2) as usize];
                format!(
                    "SELECT {x}, {y}, count(*), sum({y}) FILTER (WHERE {asked}), ({scalar}) FROM {from}{filter} GROUP BY {sets} ({x}, {y})"
                )
            }
            1 => {
                let group = vec![x.clone()];
                let (scalar, asked) = (self.scalar(&group, 2), self.asks(&group, 1));
                format!(
                    "SELECT {x}, max({y}), ({scalar}) FROM {from}{filter} GROUP BY {x} HAVING count(*) > 1 OR {asked}"
                )
            }
            2 => {
                let (scalar, asked) = (self.scalar(&columns, 2), self.asks(&columns, 1));
                format!(
                    "SELECT {x}, {y}, sum({y}) OVER (PARTITION BY {x}), rank() OVER (PARTITION BY {y} ORDER BY ({scalar})), {asked} FROM {from}{filter}"
                )
            }
            3 => {
                let scalar = self.scalar(&columns, 2);
                format!(
                    "SELECT {x}, ({scalar}) FROM {from}{filter} ORDER BY 2, 1 LIMIT {}",
                    self.rng.between(1, 9)
                )
            }
            4 => {
                let (asked, scalar) = (self.condition(&columns, 1), self.scalar(&columns, 2));
                format!("SELECT {x}, CASE WHEN {asked} THEN ({scalar}) ELSE {y} END FROM {from}{filter}")
            }
            5 => {
                let array = self.array(&columns, 2);
                format!("SELECT {x}, {y}, {array} FROM {from}{filter}")
            }
            6 => {
                let (set, other) = (self.set_operation(), self.values(&vec![], 1, 2));
                format!("SELECT {x}, {y} FROM {from}{filter} {set} ({other})")
            }
            7 => {
                let alias = self.alias();
                let query = self.values(&columns, 2, 1);
                format!(
                    "SELECT {x}, s, count(*) FROM {from} LEFT JOIN LATERAL ({query}) {alias} (s) ON true{filter} GROUP BY 1, 2"
                )
            }
            8 => {
                let asked = self.asks(&columns, 2);
                format!("SELECT {x}, {y}, {asked} FROM {from}{filter}")
            }
            9 => {
                let (one, two) = (self.scalar(&columns, 2), self.scalar(&columns, 1));
                format!("SELECT DISTINCT {x}, coalesce(({one}), ({two})) FROM {from}{filter}")
            }
            _ => format!("SELECT {x}, {y} FROM {from}{filter}"),
        }
    }

    /// A change of a table whose rows are told apart, so that what it does depends on nothing else.
    fn change(&mut self) -> String {
        let (n, alias) = (self.rng.below(2), self.alias());
        let columns: Columns = COLUMNS.iter().map(|c| format!("{alias}.{c}")).collect();
        match self.rng.below(4) {
            0 => {
                let asked = self.asks(&columns, 2);
                format!("DELETE FROM q{n} {alias} WHERE {asked} RETURNING {alias}.*")
            }
            1 => {
                let (query, own) = (self.scalar(&columns, 1), self.asks(&columns, 1));
                format!(
                    "INSERT INTO q{n} AS {alias} VALUES (1, 2, 3, 0), (4, NULL, 2, 1), (5, 5, 5, 100) \
                     ON CONFLICT (k) DO UPDATE SET c = ({query}), a = EXCLUDED.a WHERE {own} RETURNING {alias}.*"
                )
            }
            _ => {
                let (scalar, asked) = (self.scalar(&columns, 2), self.condition(&columns, 2));
                format!("UPDATE q{n} {alias} SET c = ({scalar}) WHERE {asked} RETURNING {alias}.*")
            }
        }
    }

    fn pick(&mut self, from: &Columns) -> String {
        from[self.rng.below(from.len() as u64) as usize].clone()
    }

    fn one_of(&mut self, list: &[&'static str]) -> &'static str {
        list[self.rng.below(list.len() as u64) as usize]
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("x{}", self.aliases)
    }

    fn set_operation(&mut self) -> &'static str {
        self.one_of(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL"])
    }

    fn table(&mut self) -> (String, Columns) {
        self.left = self.left.saturating_sub(1);
        let (n, alias) = (self.rng.below(TABLES), self.alias());
        (format!("q{n} {alias}"), COLUMNS.iter().map(|c| format!("{alias}.{c}")).collect())
    }

    /// Whether a query of this depth may have another one in it.
    fn deeper(&self, depth: u32) -> bool {
        depth > 0 && self.left > 0
    }

    /// A FROM clause and its columns. `outer`: those of queries around it.
    fn from(&mut self, outer: &Columns, depth: u32) -> (String, Columns) {
        let (l, left) = self.table();
        if !self.deeper(depth) || self.rng.one_in(2) {
            return (l, left);
        }
        if self.rng.one_in(6) {
            let (query, alias) = (self.values(&both(&left, outer), depth - 1, 2), self.alias());
            let (kind, on) = [("CROSS JOIN", ""), ("LEFT JOIN", " ON true")][self.rng.below(2) as usize];
            let columns = both(&left, &vec![format!("{alias}.a"), format!("{alias}.b")]);
            return (format!("{l} {kind} LATERAL ({query}) {alias} (a, b){on}"), columns);
        }
        let (mut r, right) = self.table();
        // An item that reads the outer row itself.
        if !outer.is_empty()
            && self.rng.one_in(5)
            && let Some((name, alias)) = r.split_once(' ')
        {
            let op = self.one_of(&["=", "<"]);
            r = format!("(SELECT * FROM {name} WHERE a {op} {}) {alias}", self.value(outer));
        }
        let kind = self.one_of(&["JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
        let columns = both(&left, &right);
        let mut on = format!("{} = {}", self.pick(&left), self.pick(&right));
        // PostgreSQL can do a full join by equality alone, and tests of one side.
        let side = if self.rng.one_in(2) { left } else { right };
        let readable = if kind == "FULL JOIN" || self.rng.one_in(2) { side } else { columns.clone() };
        if kind != "FULL JOIN" && self.rng.one_in(3) {
            on = format!("{on} AND {}", self.condition(&readable, 0));
        }
        if self.deeper(depth) && self.rng.one_in(2) {
            let seen =
                if kind != "FULL JOIN" && self.rng.one_in(2) { both(&readable, outer) } else { readable };
            on = format!("{on} AND {}", self.asks(&seen, depth - 1));
        }
        (format!("{l} {kind} {r} ON {on}"), columns)
    }

    /// The conditions of a query with a FROM clause of these columns.
    fn filter(&mut self, own: &Columns, outer: &Columns, depth: u32) -> String {
        let mut parts = vec![];
        if !outer.is_empty() && !self.rng.one_in(7) {
            let op = self.one_of(&["=", "=", "=", "<", ">="]);
            parts.push(format!("{} {op} {}", self.value(own), self.value(outer)));
        }
        while self.rng.one_in(3) {
            parts.push(self.condition(&both(own, outer), depth));
        }
        if parts.is_empty() { String::new() } else { format!(" WHERE {}", parts.join(" AND ")) }
    }

    fn value(&mut self, columns: &Columns) -> String {
        let (x, y, n) = (self.pick(columns), self.pick(columns), self.rng.between(0, 4));
        match self.rng.below(14) {
            0 | 1 => format!("({x} + {n})"),
            2 => format!("coalesce({x}, {n})"),
            3 => n.to_string(),
            // Nothing says that it can't fail.
            4 => format!("({x} / nullif({y}, 0))"),
            _ => x,
        }
    }

    fn condition(&mut self, columns: &Columns, depth: u32) -> String {
        if self.deeper(depth) && self.rng.one_in(3) {
            return self.asks(columns, depth);
        }
        let (x, y) = (self.value(columns), self.value(columns));
        match self.rng.below(8) {
            0 => format!("{} IS NULL", self.pick(columns)),
            1 => format!("{} IS NOT NULL", self.pick(columns)),
            2 => format!("({} OR {})", self.condition(columns, depth), self.condition(columns, depth)),
            3 => format!("NOT ({x} < {y})"),
            4 => format!("CASE WHEN {x} = {y} THEN {} ELSE {x} > 2 END", self.condition(columns, depth)),
            _ => format!("{x} {} {y}", self.one_of(&COMPARISONS)),
        }
    }

    /// A condition with a subquery.
    fn asks(&mut self, columns: &Columns, depth: u32) -> String {
        if !self.deeper(depth.max(1)) {
            return self.condition(columns, 0);
        }
        let depth = depth.saturating_sub(1);
        let not = self.one_of(&["", "NOT "]);
        let x = self.value(columns);
        match self.rng.below(14) {
            0..=2 => format!("{not}EXISTS ({})", self.values(columns, depth, 1)),
            3 | 4 => format!("{x} {not}IN ({})", self.values(columns, depth, 1)),
            5 | 6 => {
                let (op, all) = (self.one_of(&COMPARISONS), self.one_of(&["ANY", "ALL"]));
                format!("{x} {op} {all} ({})", self.values(columns, depth, 1))
            }
            7 => {
                let y = self.value(columns);
                format!("({x}, {y}) {not}IN ({})", self.values(columns, depth, 2))
            }
            8 => {
                let (y, op) = (self.value(columns), self.one_of(&COMPARISONS));
                format!("({x}, {y}) {op} ({} ORDER BY 1, 2 LIMIT 1)", self.plain(columns, depth, 2))
            }
            9 => format!("({}) IS NULL", self.scalar(columns, depth)),
            10 => {
                let (a, b) = (self.condition(columns, 0), self.values(columns, depth, 1));
                format!("({a} OR {x} {not}IN ({b})) IS NOT FALSE")
            }
            11 => format!("{x} = ANY ({})", self.array(columns, depth)),
            _ => format!("{x} {} ({})", self.one_of(&COMPARISONS), self.scalar(columns, depth)),
        }
    }

    /// A subquery of one row at most.
    fn scalar(&mut self, outer: &Columns, depth: u32) -> String {
        if self.rng.one_in(8) {
            return format!("{} ORDER BY 1 LIMIT 1", self.plain(outer, depth, 1));
        }
        let (from, own) = self.from(outer, depth);
        let call =
            self.one_of(&["count(*)", "max({})", "min({})", "sum({})", "count(DISTINCT {})", "avg({})"]);
        // An aggregate of outer columns alone belongs to the query around it.
        let mut arg = self.pick(&own);
        if self.rng.one_in(3) {
            arg = format!("{arg} + {}", self.value(&both(&own, outer)));
        }
        let filter = self.filter(&own, outer, depth);
        let having = match self.rng.below(10) {
            0 => format!(" HAVING count(*) > {}", self.rng.between(0, 2)),
            1 if !outer.is_empty() => format!(" HAVING max({}) >= {}", self.pick(&own), self.pick(outer)),
            _ => String::new(),
        };
        format!("SELECT {} FROM {from}{filter}{having}", call.replace("{}", &arg))
    }

    /// An array whose values come in the only order there is.
    fn array(&mut self, outer: &Columns, depth: u32) -> String {
        let limit =
            if self.rng.one_in(3) { format!(" LIMIT {}", self.rng.between(1, 3)) } else { String::new() };
        format!("ARRAY({} ORDER BY 1{limit})", self.plain(outer, depth.saturating_sub(1), 1))
    }

    /// `SELECT ... FROM ... WHERE ...` of `n` columns.
    fn plain(&mut self, outer: &Columns, depth: u32, n: usize) -> String {
        let (from, own) = self.from(outer, depth);
        let readable = if self.rng.one_in(5) { both(&own, outer) } else { own.clone() };
        let list: Vec<String> = (0..n).map(|_| self.value(&readable)).collect();
        format!("SELECT {} FROM {from}{}", list.join(", "), self.filter(&own, outer, depth))
    }

    /// How many rows of a sorted subquery count. Stored numbers aren't negative.
    fn count(&mut self, outer: &Columns) -> String {
        let (limit, offset) = (self.rng.between(1, 3), self.rng.between(0, 1));
        match self.rng.below(4) {
            0 => format!("OFFSET {offset} FETCH FIRST {limit} ROWS WITH TIES"),
            1 if !outer.is_empty() => format!("LIMIT {} OFFSET {offset}", self.pick(outer)),
            2 if !outer.is_empty() => format!("LIMIT {limit} OFFSET {}", self.pick(outer)),
            _ => format!("LIMIT {limit} OFFSET {offset}"),
        }
    }

    /// A common table expression that is read twice, or reads itself until there is nothing new.
    fn with(&mut self, outer: &Columns, depth: u32, n: usize, recursive: bool) -> String {
        let (name, one, two) = (self.alias(), self.alias(), self.alias());
        let inner = self.plain(outer, depth.saturating_sub(1), n);
        let columns: Vec<String> = (0..n).map(|i| format!("c{i}")).collect();
        let list = columns.join(", ");
        if !recursive {
            let shown: Vec<String> = columns.iter().map(|c| format!("{one}.{c}")).collect();
            let (shown, kept) = (shown.join(", "), self.one_of(&["", "MATERIALIZED ", "NOT MATERIALIZED "]));
            let join = self.one_of(&["JOIN", "LEFT JOIN", "FULL JOIN"]);
            return format!(
                "WITH {name} ({list}) AS {kept}({inner}) SELECT {shown} FROM {name} {one} {join} {name} {two} ON {one}.c0 = {two}.c{}",
                n - 1
            );
        }
        let (table, own) = self.table();
        let shown: Vec<String> = (0..n).map(|_| self.pick(&own)).collect();
        format!(
            "WITH RECURSIVE {name} ({list}) AS ({inner} UNION SELECT {} FROM {table} JOIN {name} ON {} = {name}.c0) SELECT {list} FROM {name}",
            shown.join(", "),
            self.pick(&own)
        )
    }

    /// A subquery of `n` columns and any number of rows.
    fn values(&mut self, outer: &Columns, depth: u32, n: usize) -> String {
        if self.deeper(depth) && self.rng.one_in(7) {
            let (l, r) = (self.values(outer, depth - 1, n), self.values(outer, depth - 1, n));
            return format!("({l}) {} ({r})", self.set_operation());
        }
        let form = self.rng.below(19);
        if form > 7 {
            return self.plain(outer, depth, n);
        }
        if form == 5 {
            let order: Vec<String> = (1..=n).map(|i| i.to_string()).collect();
            let count = self.count(outer);
            return format!("{} ORDER BY {} {count}", self.plain(outer, depth, n), order.join(", "));
        }
        if form > 5 {
            return self.with(outer, depth, n, form == 6);
        }
        let (from, own) = self.from(outer, depth);
        let (g, x) = (self.pick(&own), self.pick(&own));
        let filter = self.filter(&own, outer, depth);
        let shown = |first: &str, other: &str| {
            [vec![first.to_owned()], vec![other.to_owned(); n - 1]].concat().join(", ")
        };
        match form {
            0 => {
                let least = if outer.is_empty() { "1".to_owned() } else { self.pick(outer) };
                let having = match self.rng.below(3) {
                    0 => String::new(),
                    1 => format!(" HAVING count(*) > {least}"),
                    _ => format!(" HAVING max({x}) > ({})", self.scalar(&both(&vec![g.clone()], outer), 0)),
                };
                format!("SELECT {} FROM {from}{filter} GROUP BY {g}{having}", shown(&g, "count(*)"))
            }
            1 => format!("SELECT {} FROM {from}{filter} GROUP BY ROLLUP ({g})", shown(&g, "count(*)")),
            2 => {
                let call = format!("max({x}) OVER (PARTITION BY {g})");
                format!("SELECT {} FROM {from}{filter}", shown(&call, &x))
            }
            3 => {
                let call = format!("rank() OVER (ORDER BY {g})");
                format!("SELECT {} FROM {from}{filter}", shown(&call, &x))
            }
            _ => format!("SELECT DISTINCT {} FROM {from}{filter}", shown(&g, &x)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_makes_the_same() {
        let all = |seed| {
            let mut s = Subqueries::new(seed);
            let mut out = s.tables();
            out.extend((0..50).map(|_| s.query()));
            out
        };
        assert_eq!(all(5), all(5));
        assert_ne!(all(5), all(6));
    }
}
