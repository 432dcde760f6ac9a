//! Plan tests: SQL, the plan that EXPLAIN shows for it, the rules that made it (`tests/plans/README.md`).
//!
//! A file runs in a database of its own. A case is proven by the server itself: each rule that it says has fired is switched off, and
//! then the plan must be another one and the rows the same; the rows are the same without any rule, too, and the same on PostgreSQL
//! where one is at hand.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::client::{Answer, Client, Protocol};
use crate::psql::{self, Target};
use crate::{diff, parallel, paths};

/// How many files run at the same time against one server.
pub const WORKERS: usize = 2;
/// How long a statement may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The folder of the plan files.
pub fn root() -> PathBuf {
    paths::workspace().join("tests/plans")
}

/// All plan files, sorted.
pub fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root()).unwrap_or_else(|e| panic!("{}: {e}", root().display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|e| e == "plan"))
        .collect();
    files.sort();
    files
}

/// The path of a file under `tests/plans`.
pub fn name_of(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).to_string_lossy().into_owned()
}

/// The names of all rules, as the optimizer's source lists them (the runner itself knows nothing of the server's insides).
pub fn rules() -> Vec<String> {
    let path = paths::workspace().join("crates/optimizer/src/rules/registry.rs");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let list = text.split("\nrules! {").nth(1).and_then(|rest| rest.split("\n}").next()).unwrap_or_default();
    list.lines().filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
}

/// One query with what is expected of its plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Case {
    pub title: String,
    /// The line of the title, from 1.
    pub line: usize,
    /// Statements before the query, for this case only (settings are reset after it).
    pub before: Vec<String>,
    pub query: String,
    /// The whole of EXPLAIN (COSTS OFF); none if the case says only what is in it.
    pub plan: Option<String>,
    /// Parts of lines that the plan has, and that it hasn't.
    pub has: Vec<String>,
    pub lacks: Vec<String>,
    pub fired: Vec<String>,
    pub not_fired: Vec<String>,
    /// Quarry only: the rows are not compared with PostgreSQL's.
    pub own: bool,
    /// The order of the rows counts.
    pub ordered: bool,
}

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Statements that hold for the cases after them.
    Setup(Vec<String>),
    Case(Case),
}

/// A file taken apart. `text` is kept to write changed plans back.
#[derive(Debug)]
pub struct PlanFile {
    pub parts: Vec<Part>,
}

/// Reads a file's text.
pub fn parse(text: &str) -> Result<PlanFile, String> {
    let mut parts: Vec<Part> = vec![];
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let number = at + 1;
        at += 1;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let block: Vec<&str> = lines[at..].iter().copied().take_while(|l| !starts_part(l)).collect();
        at += block.len();
        if line.trim_end() == "setup" {
            parts.push(Part::Setup(statements(&block)));
        } else if let Some(title) = line.strip_prefix("case ") {
            parts.push(Part::Case(case(title.trim(), number, &block)?));
        } else {
            return Err(format!("line {number}: neither `setup` nor `case`: {line}"));
        }
    }
    Ok(PlanFile { parts })
}

fn starts_part(line: &str) -> bool {
    line.trim_end() == "setup" || line.starts_with("case ") || line.starts_with('#')
}

/// Statements end with a line that ends with a semicolon.
fn statements(lines: &[&str]) -> Vec<String> {
    let mut out = vec![];
    let mut current = String::new();
    for line in lines {
        if line.trim().is_empty() && current.is_empty() {
            continue;
        }
        current.push_str(line);
        current.push('\n');
        if line.trim_end().ends_with(';') {
            out.push(std::mem::take(&mut current));
        }
    }
    if !current.trim().is_empty() {
        out.push(current);
    }
    out
}

fn case(title: &str, line: usize, block: &[&str]) -> Result<Case, String> {
    let mut case = Case { title: title.to_owned(), line, ..Case::default() };
    let mut sql = vec![];
    let mut plan: Option<Vec<&str>> = None;
    for (i, text) in block.iter().enumerate() {
        let names = |list: &str| list.split(',').map(|n| n.trim().to_owned()).collect::<Vec<_>>();
        if let Some(list) = text.strip_prefix("fired:") {
            case.fired = names(list);
        } else if let Some(list) = text.strip_prefix("not fired:") {
            case.not_fired = names(list);
        } else if let Some(part) = text.strip_prefix("has:") {
            case.has.push(part.trim().to_owned());
        } else if let Some(part) = text.strip_prefix("lacks:") {
            case.lacks.push(part.trim().to_owned());
        } else if text.trim_end() == "own" {
            case.own = true;
        } else if text.trim_end() == "ordered" {
            case.ordered = true;
        } else if text.trim_end() == "----" {
            plan = Some(vec![]);
        } else if let Some(plan) = &mut plan {
            if !text.trim().is_empty() {
                plan.push(text.trim_end());
            }
        } else if !text.trim().is_empty() {
            sql.push(block[i]);
        }
    }
    case.before = statements(&sql);
    case.query = case.before.pop().ok_or(format!("line {line}: case without a query"))?;
    case.plan = plan.map(|lines| lines.join("\n"));
    let silent = case.plan.is_none() && case.has.is_empty() && case.lacks.is_empty();
    if silent && case.fired.is_empty() && case.not_fired.is_empty() {
        return Err(format!("line {line}: case that expects nothing"));
    }
    Ok(case)
}

/// What came of a file.
#[derive(Debug)]
pub struct Verdict {
    pub name: String,
    pub cases: usize,
    /// Complaints, each naming its case.
    pub wrong: Vec<String>,
    /// The file with the plans that the server showed, if they differ.
    pub rewritten: Option<String>,
}

/// Runs one file.
pub fn check_file(target: &Target, postgres: Option<&Target>, file: &Path) -> Verdict {
    let name = name_of(file);
    let broken = |e: String| Verdict { name: name.clone(), cases: 0, wrong: vec![e], rewritten: None };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) => return broken(e.to_string()),
    };
    let parsed = match parse(&text) {
        Ok(parsed) => parsed,
        Err(e) => return broken(e),
    };
    let run = || -> Result<Verdict, String> {
        let mut own = Session::open(target, &name)?;
        let mut other = postgres.map(|p| Session::open(p, &name)).transpose()?;
        let mut verdict = Verdict { name: name.clone(), cases: 0, wrong: vec![], rewritten: None };
        let mut replaced = vec![];
        for part in &parsed.parts {
            match part {
                Part::Setup(statements) => {
                    for sql in statements {
                        own.must(sql)?;
                        if let Some(other) = &mut other {
                            other.must(sql)?;
                        }
                    }
                }
                Part::Case(case) => {
                    verdict.cases += 1;
                    let mut wrong = vec![];
                    if let Some(plan) = check_case(&mut own, other.as_mut(), case, &mut wrong)? {
                        replaced.push((case.line, plan));
                    }
                    verdict.wrong.extend(
                        wrong.into_iter().map(|w| format!("{name}:{}: {}: {w}", case.line, case.title)),
                    );
                }
            }
        }
        if !replaced.is_empty() {
            verdict.rewritten = Some(rewrite(&text, &replaced));
        }
        own.close()?;
        other.map_or(Ok(()), Session::close)?;
        Ok(verdict)
    };
    run().unwrap_or_else(broken)
}

/// Checks one case; answers the plan if the file has another one.
fn check_case(
    own: &mut Session,
    other: Option<&mut Session>,
    case: &Case,
    wrong: &mut Vec<String>,
) -> Result<Option<String>, String> {
    for sql in &case.before {
        own.must(sql)?;
    }
    let shown = own.explain(&case.query, "")?;
    let mut new_plan = None;
    if let Some(expected) = &case.plan
        && *expected != shown.plan
    {
        wrong.push(format!(
            "another plan\n{}",
            diff::unified(&format!("{expected}\n"), &format!("{}\n", shown.plan), "expected", "planned")
        ));
        new_plan = Some(shown.plan.clone());
    }
    for part in case.has.iter().filter(|p| !shown.plan.contains(*p)) {
        wrong.push(format!("the plan lacks `{part}`\n{}", shown.plan));
    }
    for part in case.lacks.iter().filter(|p| shown.plan.contains(*p)) {
        wrong.push(format!("the plan has `{part}`\n{}", shown.plan));
    }
    for rule in case.fired.iter().filter(|r| !shown.rules.contains(r)) {
        wrong.push(format!("{rule} did not fire (fired: {})\n{}", shown.rules.join(", "), shown.plan));
    }
    for rule in case.not_fired.iter().filter(|r| shown.rules.contains(r)) {
        wrong.push(format!("{rule} fired\n{}", shown.plan));
    }
    let ordered = case.ordered;
    let rows = own.rows(&case.query, "", ordered)?;
    for rule in &case.fired {
        if own.explain(&case.query, rule)?.plan == shown.plan {
            wrong.push(format!("the plan is the same without {rule}"));
        }
        compare(&rows, &own.rows(&case.query, rule, ordered)?, &format!("without {rule}"), wrong);
    }
    compare(&rows, &own.rows(&case.query, "all", ordered)?, "without any rule", wrong);
    own.must("RESET ALL")?;
    if let Some(other) = other
        && !case.own
    {
        compare(&rows, &other.rows_of(&case.query, ordered)?, "on PostgreSQL", wrong);
    }
    Ok(new_plan)
}

fn compare(with: &str, without: &str, how: &str, wrong: &mut Vec<String>) {
    if with != without {
        wrong.push(format!("other rows {how}\n{}", diff::unified(without, with, how, "with")));
    }
}

/// The file's text with other plans for the cases at these lines.
fn rewrite(text: &str, replaced: &[(usize, String)]) -> String {
    let mut out = String::new();
    let mut plan: Option<&str> = None;
    let mut skipping = false;
    for (i, line) in text.lines().enumerate() {
        let property = |l: &str| {
            ["fired:", "not fired:", "has:", "lacks:"].iter().any(|p| l.starts_with(p))
                || matches!(l.trim_end(), "own" | "ordered")
        };
        if starts_part(line) {
            plan = replaced.iter().find(|(at, _)| *at == i + 1).map(|(_, p)| p.as_str());
        }
        if starts_part(line) || property(line) || line.trim().is_empty() {
            skipping = false;
        }
        if skipping {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        if line.trim_end() == "----"
            && let Some(plan) = plan.take()
        {
            out.push_str(plan);
            out.push('\n');
            skipping = true;
        }
    }
    out
}

/// What EXPLAIN says.
struct Shown {
    plan: String,
    rules: Vec<String>,
}

/// A connection to the file's own database.
struct Session {
    client: Client,
    target: Target,
    database: String,
}

impl Session {
    fn open(target: &Target, name: &str) -> Result<Session, String> {
        let database =
            format!("plans_{name}").to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        psql::execute(target, "postgres", &format!("DROP DATABASE IF EXISTS \"{database}\""))?;
        psql::execute(target, "postgres", &format!("CREATE DATABASE \"{database}\""))?;
        let client = Client::connect(target, &database, PATIENCE)?;
        Ok(Session { client, target: target.clone(), database })
    }

    fn close(self) -> Result<(), String> {
        let Session { client, target, database } = self;
        drop(client);
        psql::execute(&target, "postgres", &format!("DROP DATABASE \"{database}\" WITH (FORCE)")).map(drop)
    }

    fn run(&mut self, sql: &str) -> Result<Answer, String> {
        self.client.run(sql, Protocol::Simple)
    }

    fn must(&mut self, sql: &str) -> Result<Answer, String> {
        let answer = self.run(sql)?;
        match &answer.error {
            Some(e) => Err(format!("{}: {sql}", e.message)),
            None => Ok(answer),
        }
    }

    /// The plan with some rules switched off.
    fn explain(&mut self, query: &str, disabled: &str) -> Result<Shown, String> {
        self.must(&format!("SET quarry.disabled_rules = '{disabled}'"))?;
        self.must("SET quarry.explain_rules = on")?;
        let answer = self.must(&format!("EXPLAIN (COSTS OFF) {query}"))?;
        self.must("SET quarry.disabled_rules = ''")?;
        let mut shown = Shown { plan: String::new(), rules: vec![] };
        for line in answer.rows.into_iter().filter_map(|mut row| row.pop().flatten()) {
            match line.strip_prefix("Rules: ") {
                Some(rules) => shown.rules = rules.split(", ").map(str::to_owned).collect(),
                None => {
                    if !shown.plan.is_empty() {
                        shown.plan.push('\n');
                    }
                    shown.plan.push_str(&line);
                }
            }
        }
        Ok(shown)
    }

    /// The rows with some rules switched off; nothing that the query changes stays.
    fn rows(&mut self, query: &str, disabled: &str, ordered: bool) -> Result<String, String> {
        self.must(&format!("SET quarry.disabled_rules = '{disabled}'"))?;
        let rows = self.rows_of(query, ordered);
        self.must("SET quarry.disabled_rules = ''")?;
        rows
    }

    fn rows_of(&mut self, query: &str, ordered: bool) -> Result<String, String> {
        self.must("BEGIN")?;
        let answer = self.run(query)?;
        self.must("ROLLBACK")?;
        if let Some(e) = answer.error {
            return Ok(format!("ERROR {}\n", e.code));
        }
        let null = || "NULL".to_owned();
        let mut rows: Vec<String> = answer
            .rows
            .into_iter()
            .map(|row| row.into_iter().map(|v| v.unwrap_or_else(null)).collect::<Vec<_>>().join("|") + "\n")
            .collect();
        if !ordered {
            rows.sort();
        }
        Ok(rows.concat())
    }
}

/// Runs files on a server, [`WORKERS`] at a time; `update` writes the plans that the server shows into them.
pub fn check_files(
    target: &Target,
    postgres: Option<&Target>,
    files: &[PathBuf],
    update: bool,
) -> Vec<Verdict> {
    let verdicts = parallel::for_each(WORKERS, files, |file| check_file(target, postgres, file));
    if update {
        for (file, verdict) in files.iter().zip(&verdicts) {
            if let Some(text) = &verdict.rewritten {
                std::fs::write(file, text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            }
        }
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# head\nsetup\nCREATE TABLE a (x int);\nINSERT INTO a\nVALUES (1);\n\ncase first one\nSET work_mem = 64;\n\
        SELECT x\nFROM a;\n----\nSeq Scan on a\n  Filter: (x = 1)\nfired: merge_ors, factor_ors\nnot fired: inline_ctes\n\n\
        case second\nSELECT 1;\nhas: Result\n";

    #[test]
    fn files_are_taken_apart() {
        let parts = parse(FILE).unwrap().parts;
        assert_eq!(parts.len(), 3);
        assert_eq!(
            parts[0],
            Part::Setup(vec!["CREATE TABLE a (x int);\n".into(), "INSERT INTO a\nVALUES (1);\n".into()])
        );
        let Part::Case(case) = &parts[1] else { panic!("a case") };
        assert_eq!((case.title.as_str(), case.line), ("first one", 7));
        assert_eq!(case.before, ["SET work_mem = 64;\n"]);
        assert_eq!(case.query, "SELECT x\nFROM a;\n");
        assert_eq!(case.plan.as_deref(), Some("Seq Scan on a\n  Filter: (x = 1)"));
        assert_eq!(case.fired, ["merge_ors", "factor_ors"]);
        assert_eq!(case.not_fired, ["inline_ctes"]);
        assert!(parse("case nothing\nSELECT 1;\n").is_err());
        assert!(parse("hello\n").is_err());
    }

    #[test]
    fn plans_are_written_back() {
        let text = rewrite(FILE, &[(7, "Result".into())]);
        assert!(text.contains("FROM a;\n----\nResult\nfired: merge_ors"), "{text}");
        assert!(text.ends_with("SELECT 1;\nhas: Result\n"));
    }
}
