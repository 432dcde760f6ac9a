//! `cargo xtask tidy`: the rules about sources that neither rustfmt nor clippy knows.
//!
//! 1. No `.rs` file over 800 lines, except those in `crates/xtask/long-files.txt`, which may not grow.
//! 2. Every module says at its head (`//!`) what it is.
//! 3. No placeholder macros, also in tests and macros where clippy doesn't look.
//! 4. Crates depend downward only, and some not on storage at all (design: architecture invariants).
//! 5. `unsafe` only where the design allows it: the other crates forbid it.
//! 6. Crates that turn text into plans, and functions, see no files and no sockets.
//! 7. No file that no module names.
//! 8. Every setting is read somewhere, or says in its definition that it is without effect.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quarry_testkit::paths;

const LINES_MAX: usize = 800;
const LONG_FILES: &str = "crates/xtask/long-files.txt";

/// The crates from the top down: each may depend on those after it.
const ORDER: [&str; 14] = [
    "quarry",
    "quarry-server",
    "quarry-replication",
    "quarry-session",
    "quarry-plpgsql",
    "quarry-executor",
    "quarry-optimizer",
    "quarry-sql",
    "quarry-plan",
    "quarry-catalog",
    "quarry-functions",
    "quarry-types",
    "quarry-storage",
    "quarry-common",
];

/// Edges that the order allows and the design doesn't: these crates can't see pages.
const NO_STORAGE: [&str; 2] = ["quarry-sql", "quarry-optimizer"];

/// Crates (folder names) in which `unsafe` is allowed.
const UNSAFE_ALLOWED: [&str; 3] = ["storage", "types", "executor"];

/// Crates (folder names) that touch neither files nor sockets.
const NO_FILES: [&str; 4] = ["sql", "plan", "optimizer", "functions"];

/// Applies all rules; the error says how many places break one.
pub fn run() -> Result<(), String> {
    let mut complaints = Vec::new();
    let sources = sources();
    long_files(&sources, &mut complaints);
    for source in &sources {
        head(source, &mut complaints);
        banned(source, &mut complaints);
        files_and_sockets(source, &mut complaints);
        named_by_a_module(source, &sources, &mut complaints);
    }
    forbids_unsafe(&sources, &mut complaints);
    dependencies(&mut complaints)?;
    settings_are_read(&sources, &mut complaints);
    for complaint in &complaints {
        println!("{complaint}");
    }
    if complaints.is_empty() {
        println!("{} files are tidy", sources.len());
        Ok(())
    } else {
        Err(format!("{} places break the rules", complaints.len()))
    }
}

struct Source {
    /// Relative to the workspace, with `/`.
    name: String,
    text: String,
}

impl Source {
    /// The folder under `crates/`, if it's there.
    fn crate_folder(&self) -> Option<&str> {
        self.name.strip_prefix("crates/")?.split('/').next()
    }

    /// A file of unit tests beside the module that it tests; that module's head speaks for it.
    fn is_unit_test(&self) -> bool {
        self.in_src()
            && (self.name.ends_with("tests.rs")
                || self.name.ends_with("_test.rs")
                || self.name.contains("/tests/"))
    }

    fn in_src(&self) -> bool {
        self.name.contains("/src/")
    }
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    for folder in ["crates", "tests", "benches"] {
        collect(&paths::workspace().join(folder), &mut files);
    }
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(paths::workspace())
                .expect("walked from there")
                .to_string_lossy()
                .into_owned();
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            Source { name, text }
        })
        .collect()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "target" && name != "node_modules" {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// Rule 1. The list holds `lines path`; a listed file may shrink, and leaves the list at 800.
fn long_files(sources: &[Source], complaints: &mut Vec<String>) {
    let list = std::fs::read_to_string(paths::workspace().join(LONG_FILES)).unwrap_or_default();
    let mut allowed: BTreeMap<&str, usize> = BTreeMap::new();
    for line in list.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        match line.split_once(' ').and_then(|(lines, path)| Some((path.trim(), lines.parse().ok()?))) {
            Some((path, lines)) => drop(allowed.insert(path, lines)),
            None => complaints.push(format!("{LONG_FILES}: `{line}` is not `lines path`")),
        }
    }
    for source in sources {
        let lines = source.text.lines().count();
        match allowed.remove(source.name.as_str()) {
            None if lines > LINES_MAX => {
                complaints
                    .push(format!("{}: {lines} lines (at most {LINES_MAX}): split it by idea", source.name));
            }
            Some(_) if lines <= LINES_MAX => {
                complaints.push(format!("{}: {lines} lines now: take it off {LONG_FILES}", source.name));
            }
            Some(most) if lines > most => {
                complaints.push(format!("{}: {lines} lines, grown from {most}", source.name));
            }
            _ => {}
        }
    }
    for path in allowed.keys() {
        complaints.push(format!("{LONG_FILES}: {path} does not exist"));
    }
}

/// Rule 2.
fn head(source: &Source, complaints: &mut Vec<String>) {
    if !source.is_unit_test() && !source.text.trim_start().starts_with("//!") {
        complaints.push(format!("{}: no `//!` head that says what it is", source.name));
    }
}

/// Rule 3.
fn banned(source: &Source, complaints: &mut Vec<String>) {
    for (number, line) in source.text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or("");
        for name in ["todo", "unimplemented", "dbg"] {
            let call = format!("{name}!(");
            // The characters before it decide whether it's the macro or the end of a longer name.
            let found = code.match_indices(&call).any(|(at, _)| {
                !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                    && code[..at].matches('"').count() % 2 == 0
            });
            if found {
                complaints.push(format!("{}:{}: {name}! is banned", source.name, number + 1));
            }
        }
    }
}

/// Rule 6.
fn files_and_sockets(source: &Source, complaints: &mut Vec<String>) {
    let Some(folder) = source.crate_folder() else { return };
    if !NO_FILES.contains(&folder) || !source.in_src() || source.is_unit_test() {
        return;
    }
    // Test modules at a file's end may read fixtures.
    let code = source.text.split("#[cfg(test)]").next().unwrap_or("");
    for (number, line) in code.lines().enumerate() {
        for path in ["std::fs", "std::net", "tokio::net", "tokio::fs"] {
            if line.contains(path) && !line.trim_start().starts_with("//") {
                complaints.push(format!(
                    "{}:{}: {path} in a crate without files and sockets",
                    source.name,
                    number + 1
                ));
            }
        }
    }
}

/// Rule 7: for `a/b.rs` or `a/b/mod.rs` the parent module must say `mod b`.
fn named_by_a_module(source: &Source, sources: &[Source], complaints: &mut Vec<String>) {
    let Some((before, path)) = source.name.split_once("/src/") else { return };
    if path == "lib.rs" || path == "main.rs" || path.starts_with("bin/") {
        return;
    }
    let module = path.strip_suffix("/mod.rs").or(path.strip_suffix(".rs")).unwrap_or(path);
    let (parent, name) = module.rsplit_once('/').unwrap_or(("", module));
    let candidates = if parent.is_empty() {
        vec![format!("{before}/src/lib.rs"), format!("{before}/src/main.rs")]
    } else {
        vec![format!("{before}/src/{parent}.rs"), format!("{before}/src/{parent}/mod.rs")]
    };
    let declaration = format!("mod {name};");
    let named = sources.iter().any(|s| {
        candidates.contains(&s.name)
            && (s.text.contains(&declaration) || s.text.contains(&format!("\"{name}.rs\"")))
    });
    if !named {
        complaints.push(format!("{}: no module names this file", source.name));
    }
}

/// Rule 5.
fn forbids_unsafe(sources: &[Source], complaints: &mut Vec<String>) {
    for source in sources {
        let root = source.name.ends_with("/src/lib.rs") || source.name.ends_with("/src/main.rs");
        let allowed = source.crate_folder().is_some_and(|folder| UNSAFE_ALLOWED.contains(&folder));
        if root && !allowed && !source.text.contains("#![forbid(unsafe_code)]") {
            complaints.push(format!("{}: #![forbid(unsafe_code)] is missing", source.name));
        }
    }
}

/// Rule 4.
fn dependencies(complaints: &mut Vec<String>) -> Result<(), String> {
    let crates = paths::workspace().join("crates");
    let entries = std::fs::read_dir(&crates).map_err(|e| format!("{}: {e}", crates.display()))?;
    for entry in entries.flatten() {
        let manifest = entry.path().join("Cargo.toml");
        let Ok(text) = std::fs::read_to_string(&manifest) else { continue };
        let table: toml::Table = text.parse().map_err(|e| format!("{}: {e}", manifest.display()))?;
        let name =
            table.get("package").and_then(|p| p.get("name")).and_then(toml::Value::as_str).unwrap_or("");
        let Some(rank) = rank(name) else { continue };
        for dependency in
            table.get("dependencies").and_then(toml::Value::as_table).into_iter().flat_map(|t| t.keys())
        {
            let Some(below) = self::rank(dependency) else { continue };
            if below <= rank {
                complaints.push(format!("{name} depends on {dependency}, which is not below it"));
            }
            if dependency == "quarry-storage" && NO_STORAGE.contains(&name) {
                complaints.push(format!("{name} depends on quarry-storage: it must not see pages"));
            }
        }
    }
    Ok(())
}

/// Settings that something reads by another way than their name in quotes.
const READ_OTHERWISE: &[(&str, &str)] = &[];

/// Rule 8: the name of each setting with an effect stands in quotes in some source besides the definitions and tests.
fn settings_are_read(sources: &[Source], complaints: &mut Vec<String>) {
    let definitions = "crates/common/src/settings/";
    let readers: Vec<&str> = sources
        .iter()
        .filter(|s| s.name.starts_with("crates/") && s.in_src() && !s.is_unit_test())
        .filter(|s| !s.name.starts_with(definitions) && !s.name.starts_with("crates/xtask/"))
        .map(|s| s.text.split("#[cfg(test)]").next().unwrap_or(""))
        .collect();
    for def in quarry_common::settings::all() {
        let quoted = format!("\"{}\"", def.name);
        let lower = quoted.to_ascii_lowercase();
        let read = readers.iter().any(|text| text.contains(&quoted) || text.contains(&lower))
            || READ_OTHERWISE.iter().any(|(name, _)| *name == def.name);
        if def.has_effect() && !read {
            complaints.push(format!("{definitions}: nothing reads {}, and its row doesn't say so", def.name));
        } else if !def.has_effect()
            && read
            && def.context != quarry_common::settings::SettingContext::Internal
        {
            complaints
                .push(format!("{definitions}: {} is read, but its row says it is without effect", def.name));
        }
    }
}

fn rank(name: &str) -> Option<usize> {
    ORDER.iter().position(|n| *n == name)
}
