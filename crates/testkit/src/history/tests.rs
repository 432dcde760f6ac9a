//! Histories made by hand: good ones, and at least one for each anomaly, which must be found at the levels that forbid it.

use super::*;

/// A history in which statements follow each other; `T` numbers are the order of `Script::txn` calls, after the first rows' transaction.
struct Script {
    history: History,
    now: Time,
}

fn row(key: Key, incarnation: Element, number: i64, list: &[Element]) -> Row {
    Row { key, incarnation, number, group: 0, list: list.to_vec() }
}

fn in_group(group: i64, row: Row) -> Row {
    Row { group, ..row }
}

fn insert(row: Row) -> Action {
    Action::Write { row, made: Made::Insert }
}

fn append(row: Row) -> Action {
    Action::Write { row, made: Made::Append }
}

fn overwrite(row: Row) -> Action {
    Action::Write { row, made: Made::Overwrite }
}

fn read(key: Key, rows: &[Row]) -> Action {
    Action::Read { which: Which::Keys(vec![key]), rows: rows.to_vec(), lock: Lock::None }
}

fn lock(key: Key, rows: &[Row]) -> Action {
    Action::Read { which: Which::Keys(vec![key]), rows: rows.to_vec(), lock: Lock::Excludes }
}

impl Script {
    /// Keys 0 and 1 have rows, 2 and 3 have none.
    fn new() -> Script {
        let mut script = Script { history: History { txns: Vec::new(), keys: 0..4 }, now: 0 };
        let first = script.txn(9);
        script.does(first, insert(x(&[])));
        script.does(first, insert(y(&[])));
        script.commit(first);
        script
    }

    fn tick(&mut self) -> Time {
        self.now += 10;
        self.now
    }

    fn txn(&mut self, client: usize) -> usize {
        let txn = Txn { client, ops: Vec::new(), outcome: Outcome::Aborted, asynchronous: false };
        self.history.txns.push(txn);
        self.history.txns.len() - 1
    }

    /// Three transactions of three clients: T1, T2, T3.
    fn three(&mut self) -> (usize, usize, usize) {
        (self.txn(1), self.txn(2), self.txn(3))
    }

    fn does(&mut self, txn: usize, action: Action) {
        let (sent, done) = (self.tick(), self.tick());
        self.history.txns[txn].ops.push(Op { action, sent, done });
    }

    fn commit(&mut self, txn: usize) {
        let (sent, done) = (self.tick(), self.tick());
        self.history.txns[txn].outcome = Outcome::Committed { sent, done };
    }

    /// The classes found that the level forbids.
    fn wrong(&self, level: Level) -> Vec<Class> {
        let report = check(&self.history, level);
        let mut classes: Vec<Class> = report.forbidden(level).iter().map(|a| a.class).collect();
        classes.dedup();
        classes
    }

    /// Wrong by a class at some levels, and nothing wrong at those below.
    fn expect(&self, class: Class, from: Level) {
        for level in [Level::ReadCommitted, Level::RepeatableRead, Level::Serializable] {
            let wrong = self.wrong(level);
            if level >= from {
                assert!(wrong.contains(&class), "{level:?}: {wrong:?}");
            } else {
                assert_eq!(wrong, [], "{level:?}");
            }
        }
    }

    fn expect_nothing(&self) {
        for level in [Level::ReadCommitted, Level::RepeatableRead, Level::Serializable] {
            assert_eq!(self.wrong(level), [], "{level:?}");
        }
    }
}

/// A version of key 0 after some appends, and of key 1.
fn x(appended: &[Element]) -> Row {
    row(0, 100, appended.len() as i64 + 1, &[&[100], appended].concat())
}

fn y(appended: &[Element]) -> Row {
    row(1, 200, appended.len() as i64 + 1, &[&[200], appended].concat())
}

#[test]
fn one_after_another_is_good() {
    let mut s = Script::new();
    let (t1, t2, t3) = s.three();
    s.does(t1, read(0, &[x(&[])]));
    s.does(t1, append(x(&[1])));
    s.does(t1, Action::Savepoint);
    s.does(t1, append(y(&[2])));
    s.does(t1, read(1, &[y(&[2])]));
    s.does(t1, Action::RollbackTo);
    s.does(t1, read(1, &[y(&[])]));
    s.commit(t1);
    s.does(t2, read(0, &[x(&[1])]));
    s.does(t2, read(2, &[]));
    s.does(t2, insert(row(2, 3, 1, &[3])));
    s.does(t2, Action::Delete { row: x(&[1]) });
    s.commit(t2);
    s.does(t3, read(0, &[]));
    s.does(t3, insert(row(0, 4, 1, &[4])));
    s.does(t3, Action::Match { which: Which::Group(0), keys: vec![0, 1, 2] });
    s.commit(t3);
    s.expect_nothing();
}

#[test]
fn g0_overwrites_in_both_orders() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, append(x(&[1])));
    s.does(t2, append(x(&[1, 2])));
    s.does(t2, append(y(&[3])));
    s.does(t1, append(y(&[3, 4])));
    s.commit(t1);
    s.commit(t2);
    s.expect(Class::G0, Level::ReadCommitted);
}

#[test]
fn g1a_aborted_read() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, append(x(&[1])));
    s.does(t2, read(0, &[x(&[1])]));
    s.commit(t2);
    s.expect(Class::G1a, Level::ReadCommitted);
}

#[test]
fn g1a_a_savepoint_s_version_is_read() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, Action::Savepoint);
    s.does(t1, append(x(&[1])));
    s.does(t1, Action::RollbackTo);
    s.commit(t1);
    s.does(t2, read(0, &[x(&[1])]));
    s.commit(t2);
    s.expect(Class::G1a, Level::ReadCommitted);
}

#[test]
fn g1a_built_upon_an_aborted_version() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, append(x(&[1])));
    s.does(t2, append(x(&[1, 2])));
    s.commit(t2);
    s.expect(Class::G1a, Level::ReadCommitted);
}

#[test]
fn g1b_intermediate_read() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, append(x(&[1])));
    s.does(t1, append(x(&[1, 2])));
    s.commit(t1);
    s.does(t2, read(0, &[x(&[1])]));
    s.commit(t2);
    s.expect(Class::G1b, Level::ReadCommitted);
}

#[test]
fn g1c_each_reads_the_other() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, append(x(&[1])));
    s.does(t2, append(y(&[2])));
    s.does(t1, read(1, &[y(&[2])]));
    s.does(t2, read(0, &[x(&[1])]));
    s.commit(t1);
    s.commit(t2);
    s.expect(Class::G1c, Level::ReadCommitted);
}

#[test]
fn lost_update() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, read(0, &[x(&[])]));
    s.does(t2, read(0, &[x(&[])]));
    s.does(t2, overwrite(x(&[2])));
    s.commit(t2);
    // The server counts, the client doesn't know.
    s.does(t1, overwrite(row(0, 100, 3, &[100, 1])));
    s.commit(t1);
    s.expect(Class::LostUpdate, Level::RepeatableRead);
    s.expect(Class::GSingle, Level::RepeatableRead);
}

#[test]
fn g_single_read_skew() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, read(0, &[x(&[])]));
    s.does(t2, append(x(&[1])));
    s.does(t2, append(y(&[2])));
    s.commit(t2);
    s.does(t1, read(1, &[y(&[2])]));
    s.commit(t1);
    s.expect(Class::GSingle, Level::RepeatableRead);
    s.expect(Class::Order, Level::RepeatableRead);
}

#[test]
fn g_single_by_a_predicate() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, Action::Match { which: Which::Group(5), keys: vec![] });
    s.does(t2, append(in_group(5, x(&[1]))));
    s.does(t2, append(y(&[2])));
    s.commit(t2);
    s.does(t1, read(1, &[y(&[2])]));
    s.commit(t1);
    s.expect(Class::GSingle, Level::RepeatableRead);
}

#[test]
fn long_fork() {
    let mut s = Script::new();
    let (t1, t2, t3) = s.three();
    let t4 = s.txn(4);
    // Two observers, two orders.
    s.does(t1, append(x(&[1])));
    s.does(t2, append(y(&[2])));
    let sent = s.tick();
    s.does(t4, read(0, &[x(&[])]));
    s.does(t3, read(1, &[y(&[])]));
    s.does(t3, read(0, &[x(&[1])]));
    s.does(t4, read(1, &[y(&[2])]));
    // Both commits take their time.
    let outcome = Outcome::Committed { sent, done: s.tick() };
    [t1, t2].into_iter().for_each(|t| s.history.txns[t].outcome = outcome);
    [t3, t4].into_iter().for_each(|t| s.commit(t));
    // No statement saw both: at READ COMMITTED each has its own snapshot.
    s.expect(Class::Order, Level::RepeatableRead);
    s.expect(Class::GNonadjacent, Level::RepeatableRead);
}

#[test]
fn two_statements_see_two_orders() {
    let mut s = Script::new();
    let (t1, t2, t3) = s.three();
    let t4 = s.txn(4);
    let both =
        |rows: &[Row]| Action::Read { which: Which::Range(0, 1), rows: rows.to_vec(), lock: Lock::None };
    s.does(t1, append(x(&[1])));
    s.does(t2, append(y(&[2])));
    s.does(t3, both(&[x(&[1]), y(&[])]));
    s.does(t4, both(&[x(&[]), y(&[2])]));
    [t1, t2, t3, t4].into_iter().for_each(|t| s.commit(t));
    s.expect(Class::Order, Level::ReadCommitted);
}

#[test]
fn an_acknowledged_commit_is_not_seen() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, append(x(&[1])));
    s.commit(t1);
    s.does(t2, read(0, &[x(&[])]));
    s.commit(t2);
    s.expect(Class::Order, Level::ReadCommitted);
    // What is acknowledged early may become visible later, but not to its own client.
    s.history.txns[t1].asynchronous = true;
    s.expect_nothing();
    s.history.txns[t2].client = 1;
    s.expect(Class::Order, Level::ReadCommitted);
}

#[test]
fn reads_go_back() {
    let mut s = Script::new();
    let (t1, t2, t3) = s.three();
    s.does(t1, append(x(&[1])));
    s.does(t2, read(0, &[x(&[1])]));
    s.commit(t2);
    s.does(t3, read(0, &[x(&[])]));
    s.commit(t3);
    s.commit(t1);
    s.expect(Class::Order, Level::ReadCommitted);
}

#[test]
fn a_locked_row_changes() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, lock(0, &[x(&[])]));
    s.does(t2, append(x(&[2])));
    s.commit(t2);
    s.commit(t1);
    s.expect(Class::Order, Level::ReadCommitted);
    // After a rollback to a savepoint before it, the lock is gone.
    let lock = s.history.txns[t1].ops[0].clone();
    let around = |action| Op { action, ..lock.clone() };
    s.history.txns[t1].ops = vec![around(Action::Savepoint), lock.clone(), around(Action::RollbackTo)];
    s.expect_nothing();
}

#[test]
fn g2_item_write_skew() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    for t in [t1, t2] {
        s.does(t, read(0, &[x(&[])]));
        s.does(t, read(1, &[y(&[])]));
    }
    s.does(t1, append(x(&[1])));
    s.does(t2, append(y(&[2])));
    s.commit(t1);
    s.commit(t2);
    s.expect(Class::G2Item, Level::Serializable);
}

#[test]
fn g2_by_predicates() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    let range = || Action::Read { which: Which::Range(2, 3), rows: vec![], lock: Lock::None };
    s.does(t1, range());
    s.does(t2, range());
    s.does(t1, insert(row(2, 1, 1, &[1])));
    s.does(t2, insert(row(3, 2, 1, &[2])));
    s.commit(t1);
    s.commit(t2);
    s.expect(Class::G2, Level::Serializable);
}

#[test]
fn a_change_that_no_predicate_notices() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    for t in [t1, t2] {
        s.does(t, Action::Match { which: Which::Group(7), keys: vec![] });
    }
    s.does(t1, append(in_group(3, x(&[1]))));
    s.does(t2, append(in_group(4, y(&[2]))));
    s.commit(t1);
    s.commit(t2);
    s.expect_nothing();
}

#[test]
fn read_only_anomaly() {
    let mut s = Script::new();
    let (t1, t2, t3) = s.three();
    s.does(t2, read(0, &[x(&[])]));
    s.does(t2, read(1, &[y(&[])]));
    s.does(t1, append(y(&[1])));
    s.commit(t1);
    s.does(t3, read(0, &[x(&[])]));
    s.does(t3, read(1, &[y(&[1])]));
    s.commit(t3);
    s.does(t2, append(x(&[2])));
    s.commit(t2);
    s.expect(Class::G2Item, Level::Serializable);
}

#[test]
fn a_later_transaction_is_seen_and_an_earlier_is_not() {
    let mut s = Script::new();
    let (t1, t2, t3) = s.three();
    let new = row(2, 3, 1, &[3]);
    s.does(t2, read(0, &[x(&[])]));
    s.does(t1, append(x(&[1])));
    s.commit(t1);
    s.does(t3, insert(new.clone()));
    s.commit(t3);
    s.commit(t2);
    s.expect_nothing();
    // T2 sees T3, which began after T1 was over, and not T1.
    s.does(t2, read(2, &[new]));
    s.commit(t2);
    s.expect(Class::Order, Level::RepeatableRead);
}

#[test]
fn own_changes_are_seen() {
    let mut s = Script::new();
    let (t1, _, _) = s.three();
    s.does(t1, append(x(&[1])));
    s.does(t1, read(0, &[x(&[])]));
    s.commit(t1);
    s.expect(Class::Internal, Level::ReadCommitted);
    let mut s = Script::new();
    let (t1, _, _) = s.three();
    s.does(t1, Action::Savepoint);
    s.does(t1, append(x(&[1])));
    s.does(t1, Action::RollbackTo);
    s.does(t1, read(0, &[x(&[1])]));
    s.commit(t1);
    s.expect(Class::Internal, Level::ReadCommitted);
    let mut s = Script::new();
    let (t1, _, _) = s.three();
    s.does(t1, Action::Delete { row: x(&[]) });
    s.does(t1, Action::Match { which: Which::Group(0), keys: vec![0, 1] });
    s.commit(t1);
    s.expect(Class::Internal, Level::ReadCommitted);
}

#[test]
fn torn_rows() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, append(in_group(3, x(&[1]))));
    s.commit(t1);
    s.does(t2, read(0, &[x(&[1])]));
    s.commit(t2);
    s.expect(Class::Torn, Level::ReadCommitted);
}

#[test]
fn doubled_rows() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, append(x(&[1])));
    s.commit(t1);
    s.does(t2, read(0, &[x(&[1]), x(&[])]));
    s.commit(t2);
    s.expect(Class::Doubled, Level::ReadCommitted);
}

#[test]
fn a_free_key_is_another_item() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, read(0, &[x(&[])]));
    s.does(t2, Action::Delete { row: x(&[]) });
    s.commit(t2);
    let new = row(0, 1, 1, &[1]);
    s.does(t1, insert(new.clone()));
    s.does(t1, read(0, &[x(&[]), new]));
    s.commit(t1);
    for level in [Level::RepeatableRead, Level::Serializable] {
        assert_eq!(s.wrong(level), []);
    }
    assert!(s.wrong(Level::ReadCommitted).contains(&Class::Doubled));
}

#[test]
fn lost_writes() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, append(x(&[1])));
    s.does(t2, append(x(&[2])));
    s.commit(t1);
    s.commit(t2);
    s.expect(Class::LostWrite, Level::ReadCommitted);
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    s.does(t1, append(x(&[1])));
    s.commit(t1);
    s.does(t2, Action::Delete { row: x(&[]) });
    s.commit(t2);
    s.expect(Class::LostWrite, Level::ReadCommitted);
}

#[test]
fn a_version_that_can_t_have_been_seen() {
    let mut s = Script::new();
    let (t1, t2, _) = s.three();
    // Key 0 has been in group 0 all the time.
    s.does(t1, Action::Match { which: Which::Group(0), keys: vec![1] });
    s.commit(t1);
    s.expect(Class::Order, Level::ReadCommitted);
    s.does(t2, read(0, &[x(&[])]));
}
