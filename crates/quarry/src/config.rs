//! A server's settings: machine defaults, then `quarry.toml`, then the command line.

use quarry_common::settings::Settings;
use quarry_common::{Result, err};
use quarry_storage::Config as StorageConfig;
use std::path::Path;
use std::time::Duration;

/// Put into a new data folder.
const CONFIG_TEMPLATE: &str = "\
# Settings of this server, one `name = value` a line. Names, units and meanings are PostgreSQL's; every setting with its
# default is explained in the config/quarry.toml that comes with Quarry. Example:
#
# work_mem = \"64MB\"
";
pub const CONFIG_FILE: &str = "quarry.toml";
pub const HBA_FILE: &str = "pg_hba.conf";

/// Reads all layers; the later ones win.
pub fn load(data: &Path, command_line: &[(String, String)]) -> Result<Settings> {
    let mut settings = Settings::default();
    let memory = usable_memory_bytes();
    settings.set("shared_buffers", &format!("{}kB", (memory / 4 / 1024).clamp(16 << 10, 64 << 20)))?;
    settings.set("effective_cache_size", &format!("{}kB", (memory / 4 * 3 / 1024).max(16 << 10)))?;
    for (name, value) in read_file(&data.join(CONFIG_FILE))? {
        settings.set(&name, &value)?;
    }
    for (name, value) in command_line {
        settings.set(name, value)?;
    }
    settings.set("data_directory", &data.display().to_string())?;
    settings.set("config_file", &data.join(CONFIG_FILE).display().to_string())?;
    settings.set("hba_file", &data.join(HBA_FILE).display().to_string())?;
    Ok(settings)
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
        deadlock_timeout: Duration::from_millis(settings.int("deadlock_timeout") as u64),
        wal_writer_delay: Duration::from_millis(settings.int("wal_writer_delay") as u64),
        bgwriter_delay: Duration::from_millis(settings.int("bgwriter_delay") as u64),
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
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
