//! A disk that is really full: a small tmpfs. Statements end with 53100, what they spilled is gone, reading goes on, and so does everything
//! else once there is space. Needs the right to mount; without it the test says so and passes (`storage/tests/faults.rs` has the
//! same on a simulated disk, which needs no rights).

use std::path::{Path, PathBuf};
use std::process::Command;

use quarry_testkit::server::{Options, Server};
use quarry_testkit::temp::TempDir;
use tokio_postgres::Client;

use crate::support::{connect, run, sqlstate, text};

/// A file system of its own, unmounted at the end.
struct SmallDisk {
    at: PathBuf,
    _dir: TempDir,
}

impl SmallDisk {
    fn mount(megabytes: u32) -> Result<SmallDisk, String> {
        let dir = TempDir::new("small-disk");
        let at = dir.path().join("disk");
        std::fs::create_dir_all(&at).map_err(|e| e.to_string())?;
        let size = format!("size={megabytes}m");
        let out = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at).output();
        match out {
            Ok(out) if out.status.success() => Ok(SmallDisk { at, _dir: dir }),
            Ok(out) => Err(String::from_utf8_lossy(&out.stderr).trim().to_owned()),
            Err(e) => Err(format!("mount: {e}")),
        }
    }

    /// Takes what is left but for `keep` bytes.
    fn fill(&self, keep: u64) {
        let free = rustix::fs::statvfs(&self.at).map(|s| s.f_bavail * s.f_frsize).expect("it is mounted");
        let zeroes = vec![0u8; 1 << 16];
        let mut file = std::fs::File::create(self.at.join("ballast")).expect("a file can be made");
        let mut left = free.saturating_sub(keep);
        while left > 0 {
            let count = left.min(zeroes.len() as u64) as usize;
            if std::io::Write::write_all(&mut file, &zeroes[..count]).is_err() {
                break;
            }
            left -= count as u64;
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.at.join("ballast")).expect("the ballast is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.at).status().ok();
    }
}

fn spilled(data: &Path) -> usize {
    std::fs::read_dir(data.join("base/pgsql_tmp")).map_or(0, |entries| entries.count())
}

/// The statement ends with 53100, and nothing of it stays.
async fn ends_for_want_of_space(client: &Client, data: &Path, sql: &str) {
    let error = client.batch_execute(sql).await.expect_err(sql);
    assert_eq!(sqlstate(&error), "53100", "{sql}: {error:?}");
    let message = error.as_db_error().map(|e| e.message().to_owned()).unwrap_or_default();
    assert!(message.ends_with(": No space left on device"), "{sql}: {message}");
    assert_eq!(spilled(data), 0, "{sql}: temporary files are left");
    assert_eq!(text(client, "SELECT count(*) FROM kept").await, "1000", "after {sql}");
}

#[test]
fn statements_end_and_the_server_goes_on() {
    let disk = match SmallDisk::mount(160) {
        Ok(disk) => disk,
        Err(e) => {
            println!("skipped: no file system can be mounted here ({e})");
            return;
        }
    };
    let data = disk.at.join("data");
    let options = Options::default()
        .with("shared_buffers", "8MB")
        .with("max_wal_size", "32MB")
        .with("work_mem", "1MB")
        .with("maintenance_work_mem", "1MB")
        .with("autovacuum", "off");
    let server = Server::start(&data, &options).unwrap_or_else(|e| panic!("{e}"));
    run(async {
        let client = connect(&server.url("postgres")).await.expect("the server answers");
        client
            .batch_execute(
                "CREATE TABLE kept AS SELECT i AS id, repeat('k', 100) AS t FROM generate_series(1, 1000) i;
                 CREATE TABLE wide AS SELECT i AS id, md5(i::text) || repeat('w', 60) AS t FROM generate_series(1, 120000) i;
                 CHECKPOINT",
            )
            .await
            .expect("there is space");
        disk.fill(2 << 20);
        for sql in [
            "SELECT t, id FROM wide ORDER BY t, id OFFSET 100000",
            "SET enable_hashagg = on; SET enable_sort = off; SELECT t, count(*) FROM wide GROUP BY t OFFSET 119999",
            "RESET enable_sort; SET enable_mergejoin = off; SET enable_nestloop = off; SELECT count(a.t || b.t) FROM wide a JOIN wide b USING (t)",
            "WITH w AS MATERIALIZED (SELECT t, id FROM wide) SELECT count(a.t), max(b.t) FROM w a, w b WHERE a.id = 1 AND b.id = 2",
            "SELECT sum(id) OVER (PARTITION BY id % 2 ORDER BY t) FROM wide OFFSET 119999",
            "SELECT t FROM wide UNION SELECT t || 'x' FROM wide OFFSET 239999",
            "CREATE INDEX wide_t ON wide (t)",
            "CREATE TABLE more AS SELECT * FROM wide, generate_series(1, 20)",
            "VACUUM FULL wide",
        ] {
            ends_for_want_of_space(&client, &data, sql).await;
        }
        // Until nothing goes any more: how many of them do depends on how full the last pages were.
        let mut failed = false;
        let mut inserted = 0;
        for _ in 0..400 {
            if let Err(e) = client
                .batch_execute(
                    "INSERT INTO wide SELECT i, repeat(md5(i::text), 60) FROM generate_series(1, 1000) i",
                )
                .await
            {
                assert_eq!(sqlstate(&e), "53100", "{e:?}");
                failed = true;
                break;
            }
            inserted += 1;
        }
        assert!(failed, "the disk has an end");
        assert_eq!(text(&client, "SELECT count(*) FROM kept WHERE t = repeat('k', 100)").await, "1000");
        let rows = (inserted + 1).to_string();
        assert_eq!(text(&client, "SELECT count(*) FROM wide WHERE id = 77").await, rows);
        disk.free();
        for sql in [
            "CHECKPOINT",
            "CREATE INDEX wide_t ON wide (t)",
            "INSERT INTO kept VALUES (1001, 'more')",
            "VACUUM FULL kept",
        ] {
            client
                .batch_execute(sql)
                .await
                .unwrap_or_else(|e| panic!("there is space again, but {sql}: {e:?}"));
        }
        assert_eq!(text(&client, "SELECT count(*) FROM kept").await, "1001");
    });
    // Killed with a full disk; started when there is space.
    disk.fill(0);
    server.kill_9();
    disk.free();
    let server = Server::start(&data, &options).unwrap_or_else(|e| panic!("{e}"));
    run(async {
        let client = connect(&server.url("postgres")).await.expect("the server answers");
        assert_eq!(text(&client, "SELECT count(*) FROM kept").await, "1001");
    });
    let (status, _) = server.terminate().unwrap_or_else(|e| panic!("{e}"));
    assert!(status.success());
}
