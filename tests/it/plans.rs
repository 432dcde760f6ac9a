//! Plan tests; see `tests/plans/README.md`.

use quarry_testkit::plans;
use quarry_testkit::server::{Options, Server};

#[test]
fn plans_are_as_expected() {
    // A vacuum that begins by itself changes the costs between a case and the next one.
    let options = Options::default().with("fsync", "off").with("autovacuum", "off");
    let server = Server::fresh_with("plans", &options);
    let verdicts = plans::check_files(&server.target(), None, &plans::files(), false);
    let wrong: Vec<&String> = verdicts.iter().flat_map(|v| &v.wrong).collect();
    wrong.iter().for_each(|w| println!("{w}"));
    assert!(wrong.is_empty(), "{} complaints about plans", wrong.len());
}

#[test]
fn every_rule_has_cases() {
    let mut fired: Vec<String> = vec![];
    let mut not_fired: Vec<String> = vec![];
    for file in plans::files() {
        let text = std::fs::read_to_string(&file).expect("plan files are readable");
        for part in plans::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display())).parts {
            if let plans::Part::Case(case) = part {
                fired.extend(case.fired);
                not_fired.extend(case.not_fired);
            }
        }
    }
    for rule in plans::rules() {
        assert!(fired.contains(&rule), "no case in which {rule} fires");
        assert!(not_fired.contains(&rule), "no case in which {rule} must not fire");
    }
}
