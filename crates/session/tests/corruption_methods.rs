//! Damage in hash and BRIN indexes that only their table tells: the check of a stopped server's folder names row and index.

mod common;

use common::{Server, config, failed, open};
use quarry_catalog::Catalog;
use quarry_session::verify::check_folder;
use quarry_storage::Storage;
use quarry_storage::disk::{Disk, FaultDisk};
use quarry_storage::index::brin::page as brin;
use quarry_storage::index::hash::page as hash;
use quarry_storage::page::{PAGE_SIZE, Page};
use std::sync::Arc;

fn findings(disk: &FaultDisk) -> Vec<String> {
    let storage = open(disk).unwrap();
    let mut lines = vec![];
    check_folder(&storage, 1 << 20, &mut |line| lines.push(line.to_string())).unwrap();
    lines
}

/// Changes the first block of a file that is as `which` says; the checksum fits afterwards.
fn alter(disk: &FaultDisk, path: &str, which: impl Fn(&[u8]) -> bool, change: impl FnOnce(&mut [u8])) {
    let bytes = disk.bytes(path).unwrap();
    let block = bytes.chunks_exact(PAGE_SIZE).position(which).expect("there is such a page");
    let mut page = bytes[block * PAGE_SIZE..][..PAGE_SIZE].to_vec();
    change(&mut page);
    Page::store_checksum(&mut page, block as u32);
    disk.damage(path, (block * PAGE_SIZE) as u64, &page);
}

#[test]
fn rows_that_an_index_does_not_lead_to() {
    let disk = FaultDisk::new();
    let storage = Storage::create(Arc::new(disk.clone()) as Arc<dyn Disk>, config()).unwrap();
    Catalog::bootstrap(&storage).unwrap();
    let mut server = Server::start(storage.clone()).unwrap();
    let mut run = |sql: &str| {
        let answer = server.run(sql).unwrap();
        assert!(!failed(&answer), "{sql}: {answer:?}");
        answer
    };
    run("CREATE TABLE m (id int, t text)");
    run("INSERT INTO m SELECT nullif(g % 100, 0), 't' || g FROM generate_series(1, 3000) g");
    run("CREATE INDEX m_hash ON m USING hash (id)");
    run("CREATE INDEX m_part ON m USING hash (lower(t)) WHERE id > 50");
    run("CREATE INDEX m_brin ON m USING brin (id) WITH (pages_per_range = 2)");
    run("UPDATE m SET id = id + 1000 WHERE id = 7");
    run("DELETE FROM m WHERE id = 8");
    run("VACUUM m");
    run("INSERT INTO m SELECT g, 'later' FROM generate_series(1, 300) g");
    let mut path = |of: &str| {
        let answer = run(&format!("SELECT pg_relation_filepath('{of}')"));
        let at = answer[0].find("base/").unwrap();
        answer[0][at..].to_string()
    };
    let (in_hash, in_brin) = (path("m_hash"), path("m_brin"));
    drop(server);
    storage.shutdown().unwrap();
    drop(storage);
    assert_eq!(findings(&disk), Vec::<String>::new());

    let expect = |disk: &FaultDisk, words: &str| {
        let lines = findings(disk);
        assert!(lines.iter().any(|line| line.contains(words)), "{lines:?}");
    };
    let damaged = disk.copy();
    let is_bucket = |p: &[u8]| hash::kind(p) == Some(hash::Kind::Primary) && hash::count(p) > 10;
    alter(&damaged, &in_hash, is_bucket, |p| hash::remove_range(p, 3, 1));
    expect(&damaged, "from table \"m\" lacks matching index tuple within index \"m_hash\"");
    let damaged = disk.copy();
    alter(&damaged, &in_hash, is_bucket, |p| {
        let entry = hash::entry(p, 3);
        hash::remove_range(p, 3, 1);
        let nowhere = quarry_common::Tid { block: 60_000, slot: 1 };
        hash::merge(p, &hash::Entry::new(entry.code(), nowhere).to_bytes());
    });
    expect(&damaged, "past the table's end");
    let damaged = disk.copy();
    alter(
        &damaged,
        &in_brin,
        |p| brin::kind(p) == Some(brin::Kind::Summaries),
        |p| {
            // The upper bound becomes the lower one: behind the range, flags, and the column's flags and lengths.
            let item = brin::item_mut(p, 0).unwrap();
            let len = u16::from_le_bytes([item[8], item[9]]) as usize;
            item.copy_within(12..12 + len, 12 + len);
        },
    );
    expect(&damaged, "from table \"m\" lacks matching index tuple within index \"m_brin\"");
}
