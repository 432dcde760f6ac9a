//! The text form of an isolation spec.
//!
//! ```text
//! # A comment.
//! for level { READ COMMITTED } { REPEATABLE READ }     everything below runs once for each, with $level in its place
//! setup { CREATE TABLE t (id int); }                   before each permutation
//! teardown { DROP ROLE r; }                            after it (schema public is made anew anyway)
//! session s1
//! setup { BEGIN ISOLATION LEVEL $level; }
//! step r { SELECT * FROM t; }
//! teardown { COMMIT; }
//! permutation r w c                                    the order of steps; marks: see below
//! ```
//!
//! Braces in SQL must be balanced. A step marked `!` ends without another session's help even if it waits (a deadlock, a
//! timeout): the runner waits for its end and doesn't say whether it waited. A
//! step `s:w` ends what `w` waits for in some way that takes its time (a cancel): the runner waits for `w` after it. Without a permutation every interleaving of the
//! sessions' steps, each session's in their order, is run.

/// A parsed file.
#[derive(Debug, Default)]
pub struct Spec {
    /// The word after `for` and its values.
    pub variants: Option<(String, Vec<String>)>,
    pub setup: Vec<String>,
    pub teardown: Vec<String>,
    pub sessions: Vec<Session>,
    pub steps: Vec<Step>,
    pub permutations: Vec<Vec<Turn>>,
}

/// One connection's part.
#[derive(Debug, Default)]
pub struct Session {
    pub name: String,
    pub setup: Vec<String>,
    pub teardown: Vec<String>,
}

/// A named query string of a session.
#[derive(Debug)]
pub struct Step {
    pub name: String,
    pub session: usize,
    pub sql: String,
}

/// A step in a permutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    pub step: usize,
    /// Marked `!`.
    pub ends_by_itself: bool,
    /// The waiting step that comes to its end by this one.
    pub ends: Option<usize>,
}

impl Spec {
    /// How many permutations are run in all.
    pub fn runs(&self) -> usize {
        self.permutations.len() * self.variants.as_ref().map_or(1, |(_, values)| values.len())
    }
}

/// Parses a file's text.
pub fn parse(text: &str) -> Result<Spec, String> {
    let mut spec = Spec::default();
    let mut orders: Vec<(usize, Vec<String>)> = Vec::new();
    let mut words = Words { rest: text, line: 1 };
    while let Some(word) = words.next_word() {
        let line = words.line;
        let complaint = |what: &str| format!("line {line}: {what}");
        match word {
            "for" => {
                let name = words.next_word().ok_or_else(|| complaint("`for` needs a name"))?.to_owned();
                let mut values = Vec::new();
                while words.at_brace() {
                    values.push(words.braces()?);
                }
                if values.is_empty() || spec.variants.is_some() {
                    return Err(complaint("`for name {value}...` stands once, with values"));
                }
                spec.variants = Some((name, values));
            }
            "setup" | "teardown" => {
                let sql = words.braces()?;
                let is_setup = word == "setup";
                let list = match spec.sessions.last_mut() {
                    Some(s) if is_setup => &mut s.setup,
                    Some(s) => &mut s.teardown,
                    None if is_setup => &mut spec.setup,
                    None => &mut spec.teardown,
                };
                list.push(sql);
            }
            "session" => {
                let name = words.next_word().ok_or_else(|| complaint("a session needs a name"))?.to_owned();
                if spec.sessions.iter().any(|s| s.name == name) {
                    return Err(complaint("two sessions of one name"));
                }
                spec.sessions.push(Session { name, ..Session::default() });
            }
            "step" => {
                let name = words.next_word().ok_or_else(|| complaint("a step needs a name"))?.to_owned();
                if spec.steps.iter().any(|s| s.name == name) {
                    return Err(complaint("two steps of one name"));
                }
                let sql = words.braces()?;
                let session =
                    spec.sessions.len().checked_sub(1).ok_or_else(|| complaint("a step before a session"))?;
                spec.steps.push(Step { name, session, sql });
            }
            "permutation" => orders.push((line, words.rest_of_line())),
            other => return Err(complaint(&format!("`{other}` is not expected here"))),
        }
    }
    for (line, names) in orders {
        let turns = names.iter().map(|name| {
            let find = |name: &str| {
                let step = spec.steps.iter().position(|s| s.name == name);
                step.ok_or_else(|| format!("line {line}: there is no step `{name}`"))
            };
            let (name, ends) = match name.split_once(':') {
                Some((name, other)) => (name, Some(find(other)?)),
                None => (name.as_str(), None),
            };
            let (name, ends_by_itself) = name.strip_suffix('!').map_or((name, false), |n| (n, true));
            Ok(Turn { step: find(name)?, ends_by_itself, ends })
        });
        let turns: Vec<Turn> = turns.collect::<Result<_, String>>()?;
        spec.permutations.push(turns);
    }
    if spec.permutations.is_empty() {
        spec.permutations = interleavings(&spec);
    }
    match spec.permutations.first() {
        Some(p) if !p.is_empty() => Ok(spec),
        _ => Err("there are no steps".to_owned()),
    }
}

/// Every order of all steps that keeps each session's own order.
fn interleavings(spec: &Spec) -> Vec<Vec<Turn>> {
    let queues: Vec<Vec<usize>> = (0..spec.sessions.len())
        .map(|s| (0..spec.steps.len()).filter(|i| spec.steps[*i].session == s).collect())
        .collect();
    let mut all = Vec::new();
    extend(&queues, &mut vec![0; queues.len()], &mut Vec::new(), &mut all);
    all
}

fn extend(queues: &[Vec<usize>], taken: &mut [usize], path: &mut Vec<Turn>, all: &mut Vec<Vec<Turn>>) {
    let mut ended = true;
    for session in 0..queues.len() {
        let Some(step) = queues[session].get(taken[session]) else { continue };
        ended = false;
        taken[session] += 1;
        path.push(Turn { step: *step, ends_by_itself: false, ends: None });
        extend(queues, taken, path, all);
        path.pop();
        taken[session] -= 1;
    }
    if ended {
        all.push(path.clone());
    }
}

struct Words<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Words<'a> {
    fn advance(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn skip_space(&mut self) {
        loop {
            let space = self.rest.len() - self.rest.trim_start().len();
            self.advance(space);
            if !self.rest.starts_with('#') {
                return;
            }
            self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
    }

    fn next_word(&mut self) -> Option<&'a str> {
        self.skip_space();
        let end = self.rest.find(|c: char| c.is_whitespace() || c == '{').unwrap_or(self.rest.len());
        (!self.rest.is_empty()).then(|| self.advance(end.max(1)))
    }

    fn at_brace(&mut self) -> bool {
        self.skip_space();
        self.rest.starts_with('{')
    }

    /// The text between a pair of braces.
    fn braces(&mut self) -> Result<String, String> {
        if !self.at_brace() {
            return Err(format!("line {}: `{{` is missing", self.line));
        }
        let mut depth = 0usize;
        for (at, byte) in self.rest.bytes().enumerate() {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let whole = self.advance(at + 1);
                return Ok(dedent(&whole[1..at]));
            }
        }
        Err(format!("line {}: a `}}` is missing", self.line))
    }

    fn rest_of_line(&mut self) -> Vec<String> {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let line = self.advance(end);
        let line = line.split('#').next().unwrap_or("");
        line.split_whitespace().map(str::to_owned).collect()
    }
}

/// One space between the words of a text over several lines, so that a step prints on one line.
fn dedent(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_read() {
        let spec = parse(
            "# head\nfor level { A } { B C }\nsetup { CREATE TABLE t (a int[] DEFAULT '{}');\n  SELECT 1; }\n\
             session s1\nsetup{BEGIN;}\nstep a { SELECT 1; }\nsession s2\nstep b { SELECT 2; }\nstep c { COMMIT; }\n\
             permutation a b! c # why\n",
        )
        .unwrap();
        assert_eq!(spec.variants, Some(("level".to_owned(), vec!["A".to_owned(), "B C".to_owned()])));
        assert_eq!(spec.setup, ["CREATE TABLE t (a int[] DEFAULT '{}'); SELECT 1;"]);
        assert_eq!(spec.sessions[0].setup, ["BEGIN;"]);
        let order: Vec<_> = spec.permutations[0].iter().map(|t| (t.step, t.ends_by_itself)).collect();
        assert_eq!(order, [(0, false), (1, true), (2, false)]);
    }

    #[test]
    fn interleavings_keep_each_sessions_order() {
        let spec = parse("session a\nstep a1 {x}\nstep a2 {x}\nsession b\nstep b1 {x}\nstep b2 {x}").unwrap();
        assert_eq!(spec.permutations.len(), 6);
        for p in &spec.permutations {
            let at = |step| p.iter().position(|t| t.step == step).unwrap();
            assert!(at(0) < at(1) && at(2) < at(3));
        }
    }

    #[test]
    fn mistakes_are_named() {
        assert!(parse("session a\nstep x {SELECT 1").unwrap_err().contains("missing"));
        assert_eq!(
            parse("session a\nstep x {y}\npermutation z").unwrap_err(),
            "line 3: there is no step `z`"
        );
        assert!(parse("step x {y}").is_err());
    }
}
