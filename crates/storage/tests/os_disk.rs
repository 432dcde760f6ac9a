//! The same on the operating system's files: durability across reopening, group commit, the folder's lock.

use quarry_common::{Oid, SqlState};
use quarry_storage::disk::{Disk, OsDisk};
use quarry_storage::{Config, Fork, IsolationLevel, PageId, RelId, Storage, XidStatus};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("quarry-storage-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Folder(std::env::temp_dir().join(name))
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(OsDisk::new(&self.0).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A leftover in the temporary folder is nobody's problem.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn config() -> Config {
    Config { shared_buffers_bytes: 4 << 20, wal_segment_bytes: 1 << 20, ..Config::default() }
}

#[test]
fn commits_are_grouped_and_survive_reopening() {
    const REL: RelId = RelId::new(Oid(0), 20000);
    let folder = Folder::new();
    assert!(!Storage::is_initialised(&*folder.disk()).unwrap());
    let storage = Storage::create(folder.disk(), config()).unwrap();
    assert!(Storage::is_initialised(&*folder.disk()).unwrap());
    let refused = Storage::open(folder.disk(), config()).map(drop).unwrap_err();
    assert_eq!(refused.sqlstate(), SqlState::LOCK_FILE_EXISTS);
    let pid = std::process::id().to_string();
    assert!(refused.fields().hint.as_deref().is_some_and(|h| h.contains(&pid)), "{refused:?}");

    for _ in 0..16 {
        storage.pool().extend(REL, Fork::Main, 1).unwrap();
    }
    let workers = storage.start_background();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let xids = runtime.block_on(async {
        let tasks: Vec<_> = (0..16u32)
            .map(|n| {
                let storage = storage.clone();
                tokio::spawn(async move {
                    let mut xids = Vec::new();
                    for round in 0..20u64 {
                        let txn = storage.begin(IsolationLevel::ReadCommitted);
                        let xid = txn.assign_xid();
                        {
                            let mut page = storage.pool().write(PageId::main(REL, n)).unwrap();
                            storage.log_patch(Some(xid), &mut page, &[(40, &round.to_le_bytes())]).unwrap();
                        }
                        let lsn = txn.commit().unwrap().unwrap();
                        storage.wal().wait_durable(lsn).await.unwrap();
                        xids.push(xid);
                    }
                    xids
                })
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        all
    });
    assert_eq!(xids.len(), 320);
    assert!(storage.wal().flush_count() < 320, "{} flushes", storage.wal().flush_count());
    drop(workers);
    drop(runtime);
    // No shutdown: as after kill -9, except that the lock must be given up.
    assert_eq!(Arc::strong_count(&storage), 1);
    drop(storage);
    let storage = Storage::open(folder.disk(), config()).unwrap();
    for xid in xids {
        assert!(matches!(storage.txns().status(xid), XidStatus::Committed(_)));
    }
    for block in 0..16 {
        assert_eq!(storage.pool().read(PageId::main(REL, block)).unwrap().u64_at(40), 19);
    }
    storage.shutdown().unwrap();
    drop(storage);
    Storage::open(folder.disk(), config()).unwrap();
}
