//! A server's settings: machine defaults, then `quarry.toml`, then what ALTER SYSTEM wrote beside it, then the command line.

use quarry_common::settings::Settings;
use quarry_common::{Result, err};
use quarry_session::config::{ConfigFiles, FileEntry};
use quarry_storage::Config as StorageConfig;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Put into a new data folder.
const CONFIG_TEMPLATE: &str = "\
# Settings of this server, one `name = value` a line. Names, units and meanings are PostgreSQL's; every setting with its
# default is explained in the config/quarry.toml that comes with Quarry. Example:
#
# work_mem = \"64MB\"
";
pub const CONFIG_FILE: &str = "quarry.toml";
/// Written by ALTER SYSTEM.
pub const AUTO_FILE: &str = "quarry.auto.toml";
const AUTO_HEAD: &str =
    "# Written by ALTER SYSTEM, which replaces this file: put settings of your own into quarry.toml.\n";
pub const HBA_FILE: &str = "pg_hba.conf";

/// Reads all layers; the later ones win.
pub fn load(data: &Path, command_line: &[(String, String)]) -> Result<Settings> {
    let mut settings = Settings::default();
    let memory = usable_memory_bytes();
    settings.set("shared_buffers", &format!("{}kB", (memory / 4 / 1024).clamp(16 << 10, 64 << 20)))?;
    settings.set("effective_cache_size", &format!("{}kB", (memory / 4 * 3 / 1024).max(16 << 10)))?;
    for file in [CONFIG_FILE, AUTO_FILE] {
        let path = data.join(file);
        for (name, value) in read_file(&path)? {
            let set = quarry_session::normalise_setting(&name, &value, &settings)
                .and_then(|value| settings.set(&name, &value));
            set.map_err(|e| err!(CONFIG_FILE_ERROR, "{}: {}", path.display(), e.message()))?;
        }
    }
    for (name, value) in command_line {
        let value = quarry_session::normalise_setting(name, value, &settings)?;
        settings.set(name, &value)?;
    }
    if settings.int("quarry.memory_limit") < 0 {
        let rest = memory.saturating_sub(settings.bytes("shared_buffers"));
        let kilobytes = (rest / 2 / 1024).clamp(64 << 10, i32::MAX as u64);
        settings.set("quarry.memory_limit", &format!("{kilobytes}kB"))?;
    }
    settings.set("data_directory", &data.display().to_string())?;
    settings.set("config_file", &data.join(CONFIG_FILE).display().to_string())?;
    settings.set("hba_file", &data.join(HBA_FILE).display().to_string())?;
    Ok(settings)
}

/// The files of a running server.
pub struct Files {
    data: PathBuf,
    command_line: Vec<(String, String)>,
    /// Held while the file of ALTER SYSTEM is replaced.
    writing: Mutex<()>,
}

impl Files {
    pub fn new(data: PathBuf, command_line: Vec<(String, String)>) -> Files {
        Files { data, command_line, writing: Mutex::new(()) }
    }

    /// Puts a new file in the place of the old one, so that a crash leaves either.
    fn replace(&self, entries: &[(String, String)]) -> Result<()> {
        let mut text = String::from(AUTO_HEAD);
        for (name, value) in entries {
            text.push_str(&format!("{name} = {}\n", toml::Value::String(value.clone())));
        }
        let (path, fresh) = (self.data.join(AUTO_FILE), self.data.join(format!("{AUTO_FILE}.new")));
        let mut file = std::fs::File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, &path)?;
        std::fs::File::open(&self.data)?.sync_all()?;
        Ok(())
    }
}

impl ConfigFiles for Files {
    fn set(&self, name: &str, value: Option<&str>) -> Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = read_file(&self.data.join(AUTO_FILE))?;
        entries.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        if let Some(value) = value {
            entries.push((name.to_string(), value.to_string()));
        }
        self.replace(&entries)
    }
    fn reset_all(&self) -> Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.replace(&[])
    }
    fn load(&self) -> Result<Settings> {
        load(&self.data, &self.command_line)
    }
    fn entries(&self) -> Result<Vec<FileEntry>> {
        let mut out = vec![];
        for file in [CONFIG_FILE, AUTO_FILE] {
            let path = self.data.join(file);
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let mut lines = vec![];
            for (name, value) in read_file(&path)? {
                let key = name.rsplit('.').next().unwrap_or(&name);
                let starts = |l: &str| {
                    l.trim_start().strip_prefix(key).is_some_and(|r| r.trim_start().starts_with('='))
                };
                let line = text.lines().position(starts).map_or(0, |n| n as i32 + 1);
                lines.push(FileEntry { file: path.display().to_string(), line, name, value });
            }
            lines.sort_by_key(|e| e.line);
            out.extend(lines);
        }
        Ok(out)
    }
}

/// Writes the commented files of a new data folder, where they are missing.
pub fn write_templates(data: &Path) -> Result<()> {
    for (name, text) in [(CONFIG_FILE, CONFIG_TEMPLATE), (HBA_FILE, quarry_server::hba::DEFAULT_FILE)] {
        let path = data.join(name);
        if !path.exists() {
            std::fs::write(path, text)?;
        }
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<Vec<(String, String)>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => return Err(e.into()),
    };
    parse(&text).map_err(|e| err!(CONFIG_FILE_ERROR, "{}: {}", path.display(), e.message()))
}

fn parse(text: &str) -> Result<Vec<(String, String)>> {
    let table: toml::Table = text.parse().map_err(|e| err!(CONFIG_FILE_ERROR, "{e}"))?;
    let mut out = vec![];
    flatten("", &table, &mut out)?;
    Ok(out)
}

/// `[app] user = 1` is the custom setting `app.user`.
fn flatten(prefix: &str, table: &toml::Table, out: &mut Vec<(String, String)>) -> Result<()> {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::String(s) => out.push((name, s.clone())),
            toml::Value::Integer(i) => out.push((name, i.to_string())),
            toml::Value::Float(f) => out.push((name, f.to_string())),
            toml::Value::Boolean(b) => out.push((name, b.to_string())),
            toml::Value::Table(inner) => flatten(&name, inner, out)?,
            toml::Value::Array(_) | toml::Value::Datetime(_) => {
                return Err(err!(
                    CONFIG_FILE_ERROR,
                    "setting \"{name}\" must be a string, a number or a Boolean"
                ));
            }
        }
    }
    Ok(())
}

/// The machine's memory, or the control group's limit where that is smaller.
fn usable_memory_bytes() -> u64 {
    let total = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|t| {
            t.lines().find_map(|l| l.strip_prefix("MemTotal:")?.trim().split(' ').next()?.parse::<u64>().ok())
        })
        .map_or(1 << 30, |kb| kb << 10);
    let limit = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .filter_map(|p| std::fs::read_to_string(p).ok()?.trim().parse::<u64>().ok())
        .min();
    total.min(limit.unwrap_or(u64::MAX))
}

/// What the storage engine takes from the settings.
pub fn storage(settings: &Settings) -> StorageConfig {
    let shared_buffers = settings.bytes("shared_buffers") as usize;
    let wal_buffers = match settings.int("wal_buffers") {
        -1 => (shared_buffers / 32).clamp(64 << 10, 16 << 20),
        blocks => blocks.max(4) as usize * 8192,
    };
    StorageConfig {
        shared_buffers_bytes: shared_buffers,
        wal_buffers_bytes: wal_buffers,
        max_wal_size_bytes: settings.bytes("max_wal_size"),
        checkpoint_timeout: Duration::from_secs(settings.int("checkpoint_timeout") as u64),
        checkpoint_completion_target: settings.real("checkpoint_completion_target"),
        fsync: settings.bool("fsync"),
        full_page_writes: settings.bool("full_page_writes"),
        wal_compression: settings.text("wal_compression") != "off",
        deadlock_timeout: Duration::from_millis(settings.int("deadlock_timeout") as u64),
        wal_writer_delay: Duration::from_millis(settings.int("wal_writer_delay") as u64),
        bgwriter_delay: Duration::from_millis(settings.int("bgwriter_delay") as u64),
        log_startup_progress_interval: Duration::from_millis(
            settings.int("log_startup_progress_interval") as u64
        ),
        ..StorageConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_and_errors() {
        let parsed = parse("work_mem = \"8MB\"\nfsync = false\n[app]\nuser = 7\n").unwrap();
        assert!(parsed.contains(&("app.user".into(), "7".into())));
        assert!(parse("work_mem = [1]").is_err());
        let dir = std::env::temp_dir().join(format!("quarry-config-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(CONFIG_FILE), "work_mem = \"8MB\"\nport = 6001").unwrap();
        let s = load(&dir, &[("port".into(), "6002".into())]).unwrap();
        assert_eq!((s.show("work_mem").as_deref(), s.int("port")), (Some("8MB"), 6002));
        let files = Files::new(dir.clone(), vec![]);
        files.set("work_mem", Some("9MB")).unwrap();
        files.set("DateStyle", Some("german")).unwrap();
        files.set("work_mem", Some("16MB")).unwrap();
        let s = files.load().unwrap();
        assert_eq!(s.show("work_mem").as_deref(), Some("16MB"));
        assert_eq!(s.show("datestyle").as_deref(), Some("German, DMY"));
        let entries = files.entries().unwrap();
        let last = entries.last().unwrap();
        assert_eq!((last.name.as_str(), last.value.as_str(), last.line), ("work_mem", "16MB", 3));
        files.set("work_mem", None).unwrap();
        files.reset_all().unwrap();
        assert_eq!(files.load().unwrap().show("work_mem").as_deref(), Some("8MB"));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
