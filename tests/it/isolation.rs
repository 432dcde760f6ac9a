//! Isolation specs; see `tests/README.md`.

use quarry_testkit::server::{Options, Server};
use quarry_testkit::{isolation, parallel};

#[test]
fn specs_agree_with_postgresql() {
    let options = Options::default().with("fsync", "off").with("max_prepared_transactions", "10");
    let server = Server::fresh_with("isolation", &options);
    let target = server.target();
    let files = isolation::files();
    let verdicts =
        parallel::for_each(isolation::WORKERS, &files, |file| isolation::check_file(&target, file));
    let (report, wrong) = isolation::judge(&verdicts, &isolation::known_failing());
    println!("{report}");
    assert!(wrong == 0, "{wrong} of {} isolation specs are not as expected", files.len());
}

#[test]
fn there_are_enough_permutations() {
    let runs = |file: &std::path::PathBuf| isolation::load(file).expect("specs can be read").runs();
    let total: usize = isolation::files().iter().map(runs).sum();
    assert!(total >= 150, "only {total} permutations");
}
