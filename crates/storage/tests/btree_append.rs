//! Entries appended many at a time, against a model and through crashes.

mod common;

use common::{create, open};
use quarry_common::{Oid, Tid};
use quarry_storage::disk::{FaultDisk, FaultRng};
use quarry_storage::index::{BTree, Direction, InsertOutcome, KeyRange, NewEntry, UniqueCheck};
use quarry_storage::{IsolationLevel, RelId};
use std::collections::BTreeMap;

const INDEX: RelId = RelId::new(Oid(5), 30010);

/// Payloads by key and tid.
type Model = BTreeMap<(Vec<u8>, Tid), Vec<u8>>;

/// A run of entries: rising for the most part, with equal keys, steps back and payloads here and there.
fn run_of(rng: &mut FaultRng, from: &mut u32) -> Vec<(Vec<u8>, Vec<u8>, Tid)> {
    let odd = rng.below(4) == 0;
    (0..rng.below(900))
        .map(|_| {
            *from += if odd && rng.below(20) == 0 { 0 } else { 1 };
            let number = if odd && rng.below(30) == 0 { from.saturating_sub(500) } else { *from };
            let mut key = number.to_be_bytes().to_vec();
            key.resize(4 + rng.below(if odd { 200 } else { 9 }) as usize, 7);
            let payload = vec![3; if odd { rng.below(40) as usize } else { 0 }];
            let tid = Tid { block: rng.below(1 << 20) as u32, slot: 1 + rng.below(60) as u16 };
            (key, payload, tid)
        })
        .collect()
}

fn stored(tree: &BTree) -> Model {
    let mut scan = tree.scan(KeyRange::full(), Direction::Forward);
    let mut out = Model::new();
    while let Some(e) = scan.next().unwrap() {
        assert!(out.insert((e.key.to_vec(), e.tid), e.payload.to_vec()).is_none(), "one entry twice");
    }
    out
}

#[test]
fn runs_match_a_model_through_crashes() {
    for seed in 0..12u64 {
        println!("seed {seed}");
        let disk = FaultDisk::new();
        let mut storage = create(&disk);
        let t = storage.begin(IsolationLevel::ReadCommitted);
        storage.create_database_dir(&t, Oid(5)).unwrap();
        BTree::create(&storage, &t, INDEX).unwrap();
        t.commit().unwrap();
        let mut tree = BTree::open(&storage, INDEX, false).with_name("i");
        let (mut rng, mut model, mut from, mut appended) = (FaultRng::new(seed), Model::new(), 0, 0);
        for round in 0..12 {
            let t = storage.begin(IsolationLevel::ReadCommitted);
            let run = run_of(&mut rng, &mut from);
            let mut at = 0;
            while at < run.len() {
                let rest = run[at..].iter().map(|(key, payload, tid)| NewEntry { key, payload, tid: *tid });
                let many = tree.append(&t, rest).unwrap();
                for (key, payload, tid) in &run[at..at + many] {
                    model.insert((key.clone(), *tid), payload.clone());
                }
                appended += many;
                at += many;
                if let Some((key, payload, tid)) = run.get(at) {
                    if model.insert((key.clone(), *tid), payload.clone()).is_none() {
                        tree.insert(&t, key, payload, *tid, UniqueCheck::None).unwrap();
                    }
                    at += 1;
                }
            }
            t.commit().unwrap();
            if rng.below(3) == 0 {
                let gone = |t: Tid| t.block % 3 == round % 3;
                tree.bulk_delete(&gone).unwrap();
                model.retain(|(_, t), _| !gone(*t));
            }
            if rng.below(2) == 0 {
                storage.wal().flush_all().unwrap();
                drop((t, tree, storage));
                disk.crash(rng.next_u64());
                storage = open(&disk);
                tree = BTree::open(&storage, INDEX, false).with_name("i");
            }
            assert_eq!(tree.check().unwrap() as usize, model.len(), "seed {seed} round {round}");
            assert!(stored(&tree) == model, "seed {seed} round {round}");
        }
        assert!(appended > 1000, "only {appended} entries were appended");
    }
}

#[test]
fn a_unique_tree_takes_only_keys_above_all_others() {
    let storage = create(&FaultDisk::new());
    let t = storage.begin(IsolationLevel::ReadCommitted);
    storage.create_database_dir(&t, Oid(5)).unwrap();
    BTree::create(&storage, &t, INDEX).unwrap();
    let tree = BTree::open(&storage, INDEX, true).with_name("i");
    let tid = |n: u32| Tid { block: n, slot: 1 };
    let keys = |numbers: &[u32]| numbers.iter().map(|n| n.to_be_bytes()).collect::<Vec<_>>();
    let append = |numbers: &[u32]| {
        let keys = keys(numbers);
        let entry = |(i, key)| NewEntry { key, payload: b"", tid: tid(1000 + i as u32) };
        tree.append(&t, keys.iter().map(|k| &k[..]).enumerate().map(entry)).unwrap()
    };
    // The tree doesn't know its last leaf before an insert has been there.
    assert_eq!(append(&[1]), 0);
    let inserted = tree.insert(&t, &10u32.to_be_bytes(), b"", tid(1), UniqueCheck::None).unwrap();
    assert_eq!(inserted, InsertOutcome::Inserted);
    assert_eq!(append(&[9, 11]), 0, "a key below the last");
    assert_eq!(append(&[10, 11]), 0, "the last key");
    assert_eq!(append(&[11, 12, 12, 13]), 2, "a key twice");
    assert_eq!(append(&[13, 15, 14]), 2, "a step back");
    assert_eq!(tree.check().unwrap(), 5);
}
