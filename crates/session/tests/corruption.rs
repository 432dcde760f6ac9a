//! Every kind of damage that a check is for, made in the files of a stopped server (with the right checksum): the check names file, block
//! and what is wrong. The same through SQL, for what a running server can be asked.

mod common;

use common::{Server, config, failed, open};
use quarry_catalog::Catalog;
use quarry_session::verify::check_folder;
use quarry_storage::Storage;
use quarry_storage::disk::{Disk, FaultDisk};
use quarry_storage::heap::page as hp;
use quarry_storage::heap::tuple::{self, TupleHeader};
use quarry_storage::index::btree::page as bp;
use quarry_storage::page::{PAGE_SIZE, Page};
use std::sync::{Arc, OnceLock};

/// A stopped server's disk, and the files of its table: heap, toast, primary key.
struct Base {
    disk: FaultDisk,
    heap: String,
    toast: String,
    index: String,
}

fn base() -> &'static Base {
    static BASE: OnceLock<Base> = OnceLock::new();
    BASE.get_or_init(|| {
        let disk = FaultDisk::new();
        let storage = Storage::create(Arc::new(disk.clone()) as Arc<dyn Disk>, config()).unwrap();
        Catalog::bootstrap(&storage).unwrap();
        let mut server = Server::start(storage.clone()).unwrap();
        let mut run = |sql: &str| {
            let answer = server.run(sql).unwrap();
            assert!(!failed(&answer), "{sql}: {answer:?}");
            answer
        };
        run("CREATE EXTENSION amcheck");
        run("CREATE TABLE k (id int PRIMARY KEY, t text) WITH (fillfactor = 90)");
        run("INSERT INTO k SELECT g, repeat('x', g % 50) FROM generate_series(1, 3000) g");
        // Row 4000: long and incompressible; 4001: long and compressible, still too long for a page.
        run("INSERT INTO k SELECT 4000, string_agg(md5(g::text), '') FROM generate_series(1, 1000) g");
        run("INSERT INTO k SELECT 4001, string_agg(md5(g::text), '') || repeat('z', 30000) FROM generate_series(1, 700) g");
        run("UPDATE k SET t = 'hot' WHERE id = 5");
        run("VACUUM k");
        let mut path = |of: &str| {
            let answer = run(&format!("SELECT pg_relation_filepath({of})"));
            let at = answer[0].find("base/").unwrap();
            answer[0][at..].to_string()
        };
        let heap = path("'k'");
        let toast = path("(SELECT reltoastrelid FROM pg_class WHERE relname = 'k')");
        let index = path("'k_pkey'");
        drop(server);
        storage.shutdown().unwrap();
        Base { disk, heap, toast, index }
    })
}

/// Changes a block of a file; the checksum fits afterwards.
fn alter(disk: &FaultDisk, path: &str, block: u32, change: impl FnOnce(&mut [u8])) {
    let bytes = disk.bytes(path).unwrap();
    let from = block as usize * PAGE_SIZE;
    let mut page = bytes[from..from + PAGE_SIZE].to_vec();
    change(&mut page);
    Page::store_checksum(&mut page, block);
    disk.damage(path, from as u64, &page);
}

/// What the check of a folder says after a change.
fn findings(disk: &FaultDisk) -> Vec<String> {
    let storage = open(disk).unwrap();
    let mut lines = vec![];
    check_folder(&storage, 1 << 20, &mut |line| lines.push(line.to_string())).unwrap();
    lines
}

/// Expects a line that has all of `words` in it.
fn expect(what: &str, disk: &FaultDisk, words: &[&str]) {
    let lines = findings(disk);
    assert!(
        lines.iter().any(|line| words.iter().all(|word| line.contains(word))),
        "{what}: no line with {words:?} among {lines:#?}"
    );
}

fn put_u16(p: &mut [u8], at: usize, v: u16) {
    p[at..at + 2].copy_from_slice(&v.to_le_bytes());
}
fn put_u32(p: &mut [u8], at: usize, v: u32) {
    p[at..at + 4].copy_from_slice(&v.to_le_bytes());
}
fn put_u64(p: &mut [u8], at: usize, v: u64) {
    p[at..at + 8].copy_from_slice(&v.to_le_bytes());
}
/// Where a row begins in its tuple, and the ends of its varying columns, if they are stored: behind a byte of head and an int.
const ROW: usize = tuple::HEADER_BYTES;
const ENDS: usize = ROW + 5;

/// Gives a row's only varying column an end that is stored, which takes the first two bytes of its short value, so that the value has so many.
fn put_end(p: &mut [u8], slot: u16, end: impl FnOnce(u16) -> u16) {
    const NARROW: u8 = 0x20;
    let t = hp::tuple_mut(p, slot).unwrap();
    assert!(t[ROW] & NARROW != 0 && t.len() > ENDS + 2, "a short value");
    t[ROW] &= !NARROW;
    let left = (t.len() - ENDS - 2) as u16;
    put_u16(t, ENDS, end(left));
}

/// Gives the short value of a row's only varying column a tag, for which its end must be stored.
fn put_tag(p: &mut [u8], slot: u16, tag: u16) {
    put_end(p, slot, |end| end | tag << 14);
}

fn slot_at(slot: u16) -> usize {
    hp::SLOTS_AT + (slot as usize - 1) * 4
}
fn header(p: &mut [u8], slot: u16, change: impl FnOnce(&mut TupleHeader)) {
    let t = hp::tuple_mut(p, slot).unwrap();
    let mut h = TupleHeader::read(t);
    change(&mut h);
    h.write(t);
}

/// The last row's slot on a page of the heap file, and its block: the rows out of line are there.
fn last_row(b: &Base) -> (u32, Vec<u16>) {
    let bytes = b.disk.bytes(&b.heap).unwrap();
    for block in (0..bytes.len() / PAGE_SIZE).rev() {
        let p = &bytes[block * PAGE_SIZE..][..PAGE_SIZE];
        let long: Vec<u16> = (1..=hp::slot_count(p))
            .filter(|s| hp::tuple(p, *s).is_some_and(|t| tuple::flags(t) & tuple::HAS_EXTERNAL != 0))
            .collect();
        if !long.is_empty() {
            return (block as u32, long);
        }
    }
    panic!("no row has values out of line");
}

#[test]
fn an_undamaged_folder_has_no_findings() {
    assert_eq!(findings(&base().disk.copy()), Vec::<String>::new());
}

/// What a crash leaves of a session's temporary table is rows of the catalog without files: nothing is damaged by that.
#[test]
fn a_crash_beside_temporary_objects_leaves_no_findings() {
    let disk = base().disk.copy();
    let mut server = Server::start(open(&disk).unwrap()).unwrap();
    for sql in [
        "CREATE TEMP TABLE own (i int PRIMARY KEY, t text)",
        "INSERT INTO own SELECT g, repeat('x', 3000) FROM generate_series(1, 50) g",
    ] {
        let answer = server.run(sql).unwrap();
        assert!(!failed(&answer), "{sql}: {answer:?}");
    }
    drop(server);
    disk.kill();
    disk.create_dir(quarry_storage::temp_file::TEMP_DIR).unwrap();
    assert_eq!(findings(&disk), Vec::<String>::new());
}

type Change = Box<dyn Fn(&mut [u8])>;

#[test]
fn damaged_heap_pages() {
    let b = base();
    let cases: Vec<(&str, Change, &[&str])> = vec![
        ("bounds", Box::new(|p| put_u16(p, 14, 9000)), &["bad bounds: lower 9000"]),
        (
            "line pointer",
            Box::new(|p| put_u32(p, slot_at(1), 100 | 1 << 15 | 60 << 17)),
            &["slot 1: tuple of 60 bytes at 100"],
        ),
        (
            "redirect",
            Box::new(|p| put_u32(p, slot_at(2), 1000 | 2 << 15)),
            &["slot 2 redirects to slot 1000, which holds no tuple"],
        ),
        (
            "redirect to a root",
            Box::new(|p| put_u32(p, slot_at(2), 1 | 2 << 15)),
            &["slot 2: redirects to slot 1, which is the root of a chain"],
        ),
        ("no writer", Box::new(|p| header(p, 3, |h| h.xmin.0 = 0)), &["slot 3: a version without writer"]),
        (
            "writer of the future",
            Box::new(|p| header(p, 3, |h| h.xmin.0 = 1 << 40)),
            &["slot 3: xmin 1099511627776 equals or exceeds next valid transaction ID"],
        ),
        (
            "deleter of the future",
            Box::new(|p| header(p, 3, |h| h.xmax.0 = 1 << 40)),
            &["slot 3: xmax 1099511627776 equals or exceeds next valid transaction ID"],
        ),
        (
            "deleted on a page that is all visible",
            Box::new(|p| header(p, 3, |h| h.xmax = h.xmin)),
            &["slot 3: the page is marked all visible, but the version is"],
        ),
        (
            "frozen and rolled back",
            Box::new(|p| header(p, 3, |h| h.flags |= tuple::XMIN_FROZEN | tuple::XMIN_ABORTED)),
            &["slot 3: its writer is marked committed and rolled back"],
        ),
        (
            "HOT update to nowhere",
            Box::new(|p| header(p, 3, |h| h.flags |= tuple::HOT_UPDATED)),
            &["slot 3: a HOT update leads to"],
        ),
        (
            "columns beyond the row",
            Box::new(|p| put_end(p, 3, |_| 200)),
            &["slot 3: the row's columns exceed its length"],
        ),
        (
            "more columns than the table has",
            Box::new(|p| hp::tuple_mut(p, 3).unwrap()[ROW] = 17),
            &["slot 3: the row's columns exceed its length"],
        ),
        (
            "a tag that there isn't",
            Box::new(|p| put_tag(p, 3, 3)),
            &["slot 3: column 2: a value with unknown tag 3"],
        ),
        (
            "a short pointer",
            Box::new(|p| put_tag(p, 3, 2)),
            &["slot 3: column 2: a pointer to an out-of-line value has not 23 bytes"],
        ),
        (
            "a short compressed value",
            Box::new(|p| put_tag(p, 3, 1)),
            &["slot 3: column 2: a compressed value of", "cannot be decompressed"],
        ),
        (
            "not all visible, as the map says",
            Box::new(|p| hp::set_flags(p, hp::ALL_VISIBLE, false)),
            &["the visibility map says all visible, the page does not"],
        ),
    ];
    for (what, change, words) in cases {
        let disk = b.disk.copy();
        // A page that is all visible.
        alter(&disk, &b.heap, 2, change);
        let place = format!("block 2 of {}", b.heap);
        expect(what, &disk, &[words, &[&place]].concat());
    }
    // Bits alone, and a page from the future.
    let disk = b.disk.copy();
    disk.damage(&b.heap, 5000, &[0xff; 8]);
    expect("checksum", &disk, &[&format!("block 0 of {}", b.heap), "checksum does not match"]);
    let disk = b.disk.copy();
    alter(&disk, &b.heap, 1, |p| put_u64(p, 0, 1 << 50));
    expect("LSN", &disk, &[&format!("block 1 of {}", b.heap), "is past the end of the WAL"]);
    let disk = b.disk.copy();
    alter(&disk, &format!("{}_vm", b.heap), 0, |p| p[100] = 1);
    expect("map", &disk, &[&b.heap, "the visibility map marks it, but it does not exist"]);
}

/// Promises may be wrong and go beyond the table's end; a page that no writer of the map can have left may not be there.
#[test]
fn free_space_maps() {
    let b = base();
    let map = format!("{}_fsm", b.heap);
    let disk = b.disk.copy();
    alter(&disk, &map, 0, |p| p[32..].fill(0xff));
    assert_eq!(findings(&disk), Vec::<String>::new());
    let mut server = Server::start(open(&disk).unwrap()).unwrap();
    let answer = server.run(
        "INSERT INTO k SELECT g, repeat('y', 500) FROM generate_series(5000, 5999) g;
         SELECT * FROM verify_heapam('k'); SELECT bt_index_check('k_pkey')",
    );
    let answer = answer.unwrap();
    assert!(!failed(&answer) && answer.iter().any(|m| m.contains("SELECT 0")), "{answer:?}");
    drop(server);
    // Torn: an empty one.
    let disk = b.disk.copy();
    disk.damage(&map, 40, &[0xff; 8]);
    assert_eq!(findings(&disk), Vec::<String>::new());
    let disk = b.disk.copy();
    alter(&disk, &map, 0, |p| put_u16(p, 14, 60));
    expect("another page", &disk, &[&format!("block 0 of {map}"), "it is not a page of a free-space map"]);
}

#[test]
fn damaged_values_out_of_line() {
    let b = base();
    let (block, long) = last_row(b);
    let pointer = |p: &[u8]| {
        let t = hp::tuple(p, long[0]).unwrap();
        ENDS + 2 + u16::from_le_bytes([t[ENDS], t[ENDS + 1]]) as usize % 0x4000 - 23
    };
    let at = |slot: u16| format!("block {block} of {}: slot {slot}: column 2: toast value", b.heap);
    let (first, second) = (at(long[0]), at(long[1]));
    let in_row = |change: &dyn Fn(&mut [u8], usize), words: &[&str]| {
        let disk = b.disk.copy();
        alter(&disk, &b.heap, block, |p| {
            let at = pointer(p);
            change(hp::tuple_mut(p, long[0]).unwrap(), at);
        });
        expect(words[1], &disk, words);
    };
    in_row(&|t, at| t[at + 9] ^= 1, &[&first, "not found in toast table"]);
    in_row(&|t, at| put_u32(t, at + 4, 40_000), &[&first, "ends at chunk"]);
    in_row(&|t, at| put_u32(t, at + 4, 100), &[&first, "has size", "at most 100 bytes are missing"]);
    in_row(&|t, at| put_u32(t, at + 17, 900), &[&first, "chunk 0 at (900,"]);
    in_row(&|t, at| put_u32(t, at + 4, 0), &[&first, "external size 0"]);
    let nowhere = format!("block {block} of {}: slot {}: column 2", b.heap, long[0]);
    in_row(&|t, at| put_u16(t, at + 21, 0), &[&nowhere, "leads nowhere"]);
    // The chunks themselves. The first value's last chunk is the first row of the toast table.
    let in_chunk = |block: u32, change: &dyn Fn(&mut [u8]), words: &[&str]| {
        let disk = b.disk.copy();
        alter(&disk, &b.toast, block, change);
        expect(words[1], &disk, words);
    };
    in_chunk(0, &|p| put_u32(p, slot_at(1), 3 << 15), &[&first, "not found at"]);
    in_chunk(0, &|p| hp::tuple_mut(p, 1).unwrap()[ROW] ^= 1, &[&first, "not found at"]);
    in_chunk(
        0,
        &|p| {
            let t = hp::tuple_mut(p, 1).unwrap();
            put_u32(t, ROW + 8, 0);
            put_u16(t, ROW + 12, 1);
        },
        &[&first, "was expected to end at chunk"],
    );
    let chunks = b.disk.bytes(&b.toast).unwrap();
    let last = chunks.len() / PAGE_SIZE - 1;
    in_chunk(
        last as u32,
        &|p| {
            // The value's first chunk was written last: the beginning of the LZ4 block.
            let slot = hp::slot_count(p);
            hp::tuple_mut(p, slot).unwrap()[ROW + 14..ROW + 28].fill(0xff);
        },
        &[&second, "cannot be decompressed"],
    );
}

/// Where an item lies in its page.
fn place(p: &[u8], slot: usize) -> usize {
    bp::item(p, slot).bytes().as_ptr() as usize - p.as_ptr() as usize
}

#[test]
fn damaged_trees() {
    let b = base();
    let blocks = (b.disk.bytes(&b.index).unwrap().len() / PAGE_SIZE) as u32;
    assert!(blocks > 4, "a root above several leaves");
    let root = u32::from_le_bytes(b.disk.bytes(&b.index).unwrap()[40..44].try_into().unwrap());
    let leaf = (1..blocks)
        .find(|n| {
            let bytes = b.disk.bytes(&b.index).unwrap();
            let p = &bytes[*n as usize * PAGE_SIZE..][..PAGE_SIZE];
            *n != root && bp::level(p) == 0 && !bp::is_rightmost(p)
        })
        .unwrap();
    let cases: Vec<(&str, Change, &[&str])> = vec![
        ("bounds", Box::new(|p| put_u16(p, 16, 20)), &["bad bounds"]),
        ("an item's place", Box::new(|p| put_u16(p, 36, 8190)), &["slot 2 points to 8190"]),
        (
            "order",
            Box::new(|p| {
                let (one, two) = ([p[40], p[41]], [p[42], p[43]]);
                p[40..42].copy_from_slice(&two);
                p[42..44].copy_from_slice(&one);
            }),
            &["is not above the one before it"],
        ),
        (
            "high key",
            Box::new(|p| {
                let at = place(p, 0);
                // Behind head and child comes the key's first byte.
                p[at + 10..at + 13].fill(0);
            }),
            &["is not below the high key"],
        ),
        (
            "level",
            Box::new(|p| put_u16(p, bp::ITEMS_END + 12, 3)),
            &["it is not the page of level 0 that a link names"],
        ),
        (
            "generation",
            Box::new(|p| put_u32(p, bp::ITEMS_END + 8, 77)),
            &["it is not the page of level 0 that a link names"],
        ),
        ("deleted", Box::new(|p| bp::set_flag(p, bp::DELETED, true)), &["a link leads to a deleted page"]),
        ("garbage", Box::new(|p| put_u64(p, 24, 99)), &["of garbage fill"]),
    ];
    for (what, change, words) in cases {
        let disk = b.disk.copy();
        alter(&disk, &b.index, leaf, change);
        expect(what, &disk, &[words, &["index \"", &b.index, &format!("block {leaf}")]].concat());
    }
    // What only the other pages, or the table, tell.
    let disk = b.disk.copy();
    alter(&disk, &b.index, leaf, |p| {
        let at = place(p, 3);
        let end = at + bp::item(p, 3).bytes().len();
        put_u16(p, end - 2, 999);
    });
    expect("tid", &disk, &["k_pkey", ",999), which is unused"]);
    expect("row without entry", &disk, &["k_pkey", "has no entry"]);
    let disk = b.disk.copy();
    alter(&disk, &b.index, leaf, |p| {
        let at = place(p, 3);
        let end = at + bp::item(p, 3).bytes().len();
        put_u32(p, end - 6, 60_000);
    });
    expect("tid past the end", &disk, &["k_pkey", "past the table's end"]);
    // A wrong key in the right order: the tree is sound, but not this table's.
    let disk = b.disk.copy();
    let bytes = b.disk.bytes(&b.index).unwrap();
    let rightmost = (1..blocks)
        .find(|n| {
            let p = &bytes[*n as usize * PAGE_SIZE..][..PAGE_SIZE];
            bp::level(p) == 0 && bp::is_rightmost(p)
        })
        .unwrap();
    alter(&disk, &b.index, rightmost, |p| {
        // 4000, between 3000 and 4001, becomes 3999.
        let slot = bp::slot_count(p) - 2;
        let key = bp::item(p, slot).key().bytes().as_ptr_range();
        let key_ends = key.end as usize - p.as_ptr() as usize;
        p[key_ends - 1] -= 1;
    });
    expect("another key", &disk, &["k_pkey", "table \"k\" lacks matching index tuple"]);
    // A separator in the root that isn't the child's.
    let disk = b.disk.copy();
    alter(&disk, &b.index, root, |p| {
        let at = place(p, 2);
        p[at + 2..at + 6].copy_from_slice(&1u32.to_le_bytes());
    });
    expect("child", &disk, &["index \"", &b.index, "block"]);
    let disk = b.disk.copy();
    disk.cut(&b.index, None);
    expect("no file", &disk, &["index \"k_pkey\" has no file"]);
}

#[test]
fn files_that_nobody_owns() {
    let b = base();
    let disk = b.disk.copy();
    let stray = b.heap.rsplit_once('/').unwrap().0.to_string() + "/900000";
    let file = disk.open(&stray, true).unwrap().unwrap();
    file.write_at(&[0; PAGE_SIZE], 0).unwrap();
    disk.create_dir("base/77777").unwrap();
    let lines = findings(&disk);
    assert!(lines.iter().any(|l| l.contains(&stray) && l.contains("belongs to nothing")), "{lines:?}");
    assert!(lines.iter().any(|l| l.contains("base/77777 belongs to no database")), "{lines:?}");
    // The start of a server removes them, and nothing else.
    let storage = open(&disk).unwrap();
    let removed = Catalog::open(&storage).unwrap().remove_leftovers();
    assert_eq!(removed.len(), 2, "{removed:?}");
    drop(storage);
    assert_eq!(findings(&disk), Vec::<String>::new());
    // With a catalog that can't be read everything may be owned.
    let class = b.heap.rsplit_once('/').unwrap().0.to_string() + "/1259";
    let file = disk.open(&stray, true).unwrap().unwrap();
    file.write_at(&[0; PAGE_SIZE], 0).unwrap();
    disk.damage(&class, 5000, &[0xff; 8]);
    let storage = open(&disk).unwrap();
    let said = Catalog::open(&storage).unwrap().remove_leftovers();
    assert!(said.iter().any(|line| line.contains("could not look for files")), "{said:?}");
    assert!(disk.exists(&stray).unwrap());
}

#[test]
fn a_running_server_is_asked_in_sql() {
    let b = base();
    let ask = |change: &dyn Fn(&FaultDisk), sql: &str| -> String {
        let disk = b.disk.copy();
        change(&disk);
        let mut server = Server::start(open(&disk).unwrap()).unwrap();
        server.run(sql).unwrap().join("\n")
    };
    let nothing = |_: &FaultDisk| ();
    assert_eq!(ask(&nothing, "SELECT * FROM verify_heapam('k', check_toast := true)"), "C SELECT 0.");
    assert!(!ask(&nothing, "SELECT bt_index_parent_check('k_pkey', true, true)").contains("damaged"));
    let heap = |disk: &FaultDisk| {
        alter(disk, &b.heap, 2, |p| header(p, 3, |h| h.xmin.0 = 0));
        alter(disk, &b.heap, 4, |p| put_tag(p, 4, 3));
    };
    let found = ask(&heap, "SELECT blkno, offnum, attnum, msg FROM verify_heapam('k')");
    assert!(found.contains("a version without writer") && found.contains("unknown tag 3"), "{found}");
    let first = ask(&heap, "SELECT msg FROM verify_heapam('k', on_error_stop := true)");
    assert!(first.contains("a version without writer") && !first.contains("tag 3"), "{first}");
    assert_eq!(
        ask(&heap, "SELECT msg FROM verify_heapam('k', startblock := 1, endblock := 1)"),
        "C SELECT 0."
    );
    assert_eq!(ask(&heap, "SELECT msg FROM verify_heapam('k', skip := 'all-visible')"), "C SELECT 0.");
    let leaf = |disk: &FaultDisk| alter(disk, &b.index, 2, |p| put_u64(p, 24, 99));
    let said = ask(&leaf, "SELECT bt_index_check('k_pkey')");
    assert!(said.contains("XX002") && said.contains("is damaged: block 2"), "{said}");
    // A row without entry: its tid in the index is another's.
    let entry = |disk: &FaultDisk| {
        alter(disk, &b.index, 2, |p| {
            let at = place(p, 3);
            let end = at + bp::item(p, 3).bytes().len();
            put_u16(p, end - 2, 999);
        })
    };
    assert!(!ask(&entry, "SELECT bt_index_check('k_pkey')").starts_with('E'));
    let said = ask(&entry, "SELECT bt_index_check('k_pkey', true)");
    assert!(said.contains("XX001") && said.contains("lacks matching index tuple"), "{said}");
}
