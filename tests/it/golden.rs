//! Golden SQL files, one test per area; see `tests/README.md`.

use quarry_testkit::golden;

macro_rules! areas {
    ($($area:ident)*) => {
        $(
            #[test]
            fn $area() {
                golden::check_area(stringify!($area));
            }
        )*

        const AREAS: &[&str] = &[$(stringify!($area)),*];
    };
}

areas! { ddl dml errors explain functions indexes psql seed select session transactions types }

#[test]
fn every_area_is_tested() {
    assert_eq!(golden::areas(), AREAS);
}

#[test]
fn the_corpus_is_large_enough() {
    let statements: usize =
        golden::areas().iter().flat_map(|area| golden::files(area)).map(|file| count(&file)).sum();
    assert!(statements >= 3000, "only {statements} statements");
}

/// Lines that end a statement; strings over several lines are rare enough not to matter here.
fn count(file: &std::path::Path) -> usize {
    let text = std::fs::read_to_string(file).expect("golden files are readable");
    text.lines().filter(|line| line.trim_end().ends_with(';')).count()
}
