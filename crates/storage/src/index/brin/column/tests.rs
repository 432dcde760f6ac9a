use super::super::options::BrinOptions;
use super::*;
use crate::disk::FaultRng;
use crate::index::KeyRange;

fn kinds() -> Vec<BrinKind> {
    vec![
        BrinKind::MinMax,
        BrinKind::MinMaxMulti { values_per_range: 8 },
        BrinKind::MinMaxMulti { values_per_range: 256 },
        BrinKind::Bloom { n_distinct_per_range: -0.1, false_positive_rate: 0.01 },
    ]
}

fn random_key(rng: &mut FaultRng) -> Vec<u8> {
    match rng.below(4) {
        0 => rng.below(1000).to_be_bytes().to_vec(),
        1 => (rng.below(10) * 1_000_000 + rng.below(50)).to_be_bytes().to_vec(),
        2 => vec![0xff; rng.below(3000) as usize],
        _ => (0..rng.below(1500)).map(|_| rng.below(3) as u8).collect(),
    }
}

fn stored(column: &mut Column, shape: &Shape) -> Vec<u8> {
    let mut out = Vec::new();
    column.push(shape, &mut out);
    out
}

/// Everything that was taken in is there and passes, whatever the kind and however it was stored, read back and united.
#[test]
fn a_summary_covers_what_it_was_made_of() {
    for seed in 0..40 {
        let mut rng = FaultRng::new(seed);
        for kind in kinds() {
            let options = BrinOptions { pages_per_range: 16, columns: vec![kind] };
            let shape = &options.shapes()[0];
            let mut column = Column::empty(&kind);
            let mut other = Column::empty(&kind);
            let mut keys: Vec<Option<Vec<u8>>> = Vec::new();
            for _ in 0..rng.below(200) {
                let key = (rng.below(20) > 0).then(|| random_key(&mut rng));
                if rng.below(2) == 0 { &mut column } else { &mut other }.add(shape, key.as_deref()).unwrap();
                keys.push(key);
                if rng.below(10) == 0 {
                    let bytes = stored(&mut column, shape);
                    let read = ColumnRef::read(&mut PayloadReader::new(&bytes)).unwrap();
                    column = read.to_column(&kind, shape).unwrap();
                }
            }
            column.unite(shape, &other);
            let bytes = stored(&mut column, shape);
            assert!(bytes.len() <= 8100, "{kind:?}");
            let read = ColumnRef::read(&mut PayloadReader::new(&bytes)).unwrap();
            assert_eq!(read.has_nulls(), keys.contains(&None));
            assert_eq!(read.has_values(), keys.iter().any(Option::is_some));
            for key in &keys {
                assert!(read.covers(&kind, shape, key.as_deref()).unwrap(), "seed {seed} {kind:?} {key:?}");
                let Some(key) = key else { continue };
                let other = random_key(&mut rng);
                let tests = [
                    BrinTest::Equal(key.clone()),
                    BrinTest::AnyOf(vec![other.clone(), key.clone()]),
                    BrinTest::Range(KeyRange::point(key)),
                    BrinTest::Range(KeyRange::new(Bound::Unbounded, Bound::Included(key.clone()))),
                    BrinTest::Range(KeyRange::new(Bound::Included(key.clone()), Bound::Unbounded)),
                    BrinTest::IsNotNull,
                ];
                for test in tests {
                    assert!(read.may_pass(&kind, shape, &test).unwrap(), "seed {seed} {kind:?} {test:?}");
                }
                if other < *key {
                    let range = KeyRange::new(Bound::Excluded(other.clone()), Bound::Unbounded);
                    assert!(read.may_pass(&kind, shape, &BrinTest::Range(range)).unwrap());
                }
            }
        }
    }
}

fn numbers(kind: BrinKind, all: &[u64]) -> (BrinKind, Shape, Vec<u8>) {
    let options = BrinOptions { pages_per_range: 128, columns: vec![kind] };
    let shape = options.shapes().remove(0);
    let mut column = Column::empty(&kind);
    for n in all {
        column.add(&shape, Some(&n.to_be_bytes())).unwrap();
    }
    let bytes = stored(&mut column, &shape);
    (kind, shape, bytes)
}

fn passes(made: &(BrinKind, Shape, Vec<u8>), test: &BrinTest) -> bool {
    let read = ColumnRef::read(&mut PayloadReader::new(&made.2)).unwrap();
    read.may_pass(&made.0, &made.1, test).unwrap()
}

fn equal(n: u64) -> BrinTest {
    BrinTest::Equal(n.to_be_bytes().to_vec())
}

#[test]
fn what_lies_outside_does_not_pass() {
    let all = [10, 11, 12, 13, 500, 501, 502, 503, 504, 9000, 9001, 9002, 9003];
    let minmax = numbers(BrinKind::MinMax, &all);
    let multi = numbers(BrinKind::MinMaxMulti { values_per_range: 8 }, &all);
    let bloom = numbers(BrinKind::Bloom { n_distinct_per_range: 16.0, false_positive_rate: 0.01 }, &all);
    assert!(!passes(&minmax, &equal(9)) && passes(&minmax, &equal(100)) && !passes(&minmax, &equal(9004)));
    // The widest gaps stay.
    for n in [9, 14, 250, 499, 505, 5000, 8999, 9004] {
        assert!(!passes(&multi, &equal(n)), "{n}");
    }
    let wrong = (20_000..30_000).filter(|n| passes(&bloom, &equal(*n))).count();
    assert!(wrong < 300, "{wrong} of 10000");
    let between = |from: Bound<u64>, to: Bound<u64>| {
        let bytes = |b: Bound<u64>| b.map(|n| n.to_be_bytes().to_vec());
        BrinTest::Range(KeyRange::new(bytes(from), bytes(to)))
    };
    use Bound::{Excluded, Included, Unbounded};
    for (range, whole, parts) in [
        (between(Unbounded, Excluded(10)), false, false),
        (between(Unbounded, Included(10)), true, true),
        (between(Excluded(9003), Unbounded), false, false),
        (between(Included(9003), Unbounded), true, true),
        (between(Included(14), Included(400)), true, false),
        (between(Excluded(13), Excluded(500)), true, false),
        (between(Excluded(13), Included(500)), true, true),
    ] {
        assert_eq!((passes(&minmax, &range), passes(&multi, &range)), (whole, parts), "{range:?}");
        assert!(passes(&bloom, &range));
    }
    assert!(!passes(&minmax, &BrinTest::IsNull) && passes(&minmax, &BrinTest::IsNotNull));
    assert!(!passes(&minmax, &BrinTest::AnyOf(vec![])));
}
