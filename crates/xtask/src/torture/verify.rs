//! What must hold after a crash.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use quarry_testkit::psql::Target;
use quarry_testkit::rng::Rng;

use super::churn::Churn;
use super::client::{Answer, Client};
use super::work::Acknowledged;
use super::{ACCOUNTS, BALANCE};

/// Verifies everything; how many transfers there are.
pub fn all(
    target: &Target,
    data: &Path,
    acknowledged: &Acknowledged,
    churn: &mut Churn,
) -> Result<usize, String> {
    let mut client = Client::open(target).ok_or("the server takes no connection")?;
    let found = transfers(&mut client, acknowledged)?;
    balances(&mut client)?;
    references(&mut client)?;
    scans(&mut client)?;
    tables(&mut client, churn)?;
    files(&mut client, data)?;
    Ok(found)
}

/// What was told to be prepared is, whatever else is; ends all of it at random. The transfers committed by that.
pub fn prepared(target: &Target, acknowledged: &Acknowledged, rng: &mut Rng) -> Result<Vec<u64>, String> {
    let mut client = Client::open(target).ok_or("the server takes no connection")?;
    let there: HashSet<u64> = numbers(&mut client, "SELECT gid::bigint FROM pg_prepared_xacts")?
        .into_iter()
        .map(|n| n as u64)
        .collect();
    let lost: Vec<_> = acknowledged.prepared().difference(&there).collect();
    if !lost.is_empty() {
        return Err(format!("prepared transactions are lost: {lost:?}"));
    }
    let known: Vec<_> = acknowledged.tickets().intersection(&there).collect();
    if !known.is_empty() {
        return Err(format!("committed transactions are prepared again: {known:?}"));
    }
    let mut committed = Vec::new();
    let mut all: Vec<u64> = there.into_iter().collect();
    all.sort_unstable();
    for ticket in all {
        let commit = rng.one_in(2);
        query(&mut client, &format!("{} PREPARED '{ticket}'", if commit { "COMMIT" } else { "ROLLBACK" }))?;
        if commit {
            committed.push(ticket);
        }
    }
    Ok(committed)
}

/// After a crash the unlogged table has nothing in it, by any way.
pub fn scratch_is_empty(target: &Target) -> Result<(), String> {
    let mut client = Client::open(target).ok_or("the server takes no connection")?;
    for sql in ["SELECT id FROM scratch", "SET enable_seqscan = off; SELECT id FROM scratch WHERE id > 0"] {
        none(&mut client, "rows of an unlogged table after a crash", sql)?;
    }
    Ok(())
}

/// Puts rows into the unlogged table; how many.
pub fn fill_scratch(target: &Target, rng: &mut Rng) -> Result<i64, String> {
    let mut client = Client::open(target).ok_or("the server takes no connection")?;
    let count = rng.below(2000) as i64;
    query(&mut client, &format!("INSERT INTO scratch SELECT i, 'kept' FROM generate_series(1, {count}) i"))?;
    Ok(count)
}

/// After an orderly stop they are there.
pub fn scratch_is_kept(target: &Target, count: i64) -> Result<(), String> {
    let mut client = Client::open(target).ok_or("the server takes no connection")?;
    let there = numbers(&mut client, "SELECT count(*) FROM scratch WHERE t = 'kept'")?;
    if there == [count] { Ok(()) } else { Err(format!("the unlogged table kept {there:?} of {count} rows")) }
}

type Rows = Vec<Vec<Option<String>>>;

fn query(client: &mut Client, sql: &str) -> Result<Rows, String> {
    match client.run(sql) {
        Answer::Done(rows) => Ok(rows),
        Answer::Refused(code, message) => Err(format!("{sql}: {code} {message}")),
        Answer::Gone => Err(format!("{sql}: the server is gone")),
    }
}

/// The first column, as numbers.
fn numbers(client: &mut Client, sql: &str) -> Result<Vec<i64>, String> {
    let rows = query(client, sql)?;
    rows.iter()
        .map(|row| {
            let text = row.first().cloned().flatten().ok_or_else(|| format!("{sql}: a null"))?;
            text.parse().map_err(|_| format!("{sql}: {text} is no number"))
        })
        .collect()
}

/// The query finds nothing.
fn none(client: &mut Client, what: &str, sql: &str) -> Result<(), String> {
    let rows = query(client, sql)?;
    if rows.is_empty() { Ok(()) } else { Err(format!("{what}: {:?}", &rows[..rows.len().min(5)])) }
}

fn transfers(client: &mut Client, acknowledged: &Acknowledged) -> Result<usize, String> {
    let there: HashSet<u64> =
        numbers(client, "SELECT ticket FROM ledger")?.into_iter().map(|n| n as u64).collect();
    let mut lost: Vec<_> = acknowledged.tickets().difference(&there).collect();
    if !lost.is_empty() {
        lost.sort_unstable();
        return Err(format!(
            "{} acknowledged transfers are lost: {:?}",
            lost.len(),
            &lost[..lost.len().min(9)]
        ));
    }
    Ok(there.len())
}

fn balances(client: &mut Client) -> Result<(), String> {
    let sums = numbers(client, "SELECT sum(balance)::bigint FROM account")?;
    if sums != [ACCOUNTS as i64 * BALANCE] {
        return Err(format!("the accounts hold {sums:?}"));
    }
    none(
        client,
        "accounts that differ from their transfers",
        &format!(
            "SELECT a.id, a.balance, l.moved FROM account a LEFT JOIN
               (SELECT id, sum(by) AS moved FROM (SELECT source AS id, -amount AS by FROM ledger
                  UNION ALL SELECT target, amount FROM ledger) m GROUP BY id) l ON l.id = a.id
             WHERE a.balance <> {BALANCE} + coalesce(l.moved, 0)"
        ),
    )?;
    none(
        client,
        "notes that are damaged",
        "SELECT ticket FROM ledger WHERE note <> repeat(ticket || ' ', (length(note) / (length(ticket::text) + 1)))",
    )?;
    none(client, "notes of rolled back savepoints", "SELECT id FROM account WHERE note = 'lost'")
}

fn references(client: &mut Client) -> Result<(), String> {
    none(
        client,
        "accounts without owner",
        "SELECT a.id FROM account a LEFT JOIN owner o ON o.id = a.owner WHERE o.id IS NULL",
    )?;
    none(
        client,
        "transfers without account",
        "SELECT l.ticket FROM ledger l LEFT JOIN account a ON a.id = l.source LEFT JOIN account b ON b.id = l.target WHERE a.id IS NULL OR b.id IS NULL",
    )?;
    none(client, "accounts twice", "SELECT id FROM account GROUP BY id HAVING count(*) > 1")?;
    none(client, "transfers twice", "SELECT ticket FROM ledger GROUP BY ticket HAVING count(*) > 1")
}

/// Indexes and tables say the same.
fn scans(client: &mut Client) -> Result<(), String> {
    let queries = [
        "SELECT count(*), sum(id), sum(balance) FROM account WHERE id >= 0",
        "SELECT count(*), sum(id), sum(balance) FROM account WHERE balance >= -1000000000",
        "SELECT count(*), sum(ticket), sum(amount), sum(length(note)) FROM ledger WHERE ticket >= 0",
        "SELECT count(*), sum(source) FROM ledger WHERE source >= 0",
        "SELECT count(*), sum(id) FROM owner WHERE id >= 0",
        "SELECT count(*), sum(ticket) FROM ledger WHERE target = 7",
        "SELECT count(*), sum(ticket) FROM ledger WHERE ARRAY[source, target] @> '{7}'",
        "SELECT count(*), sum(ticket) FROM ledger WHERE amount >= 0",
        "SELECT count(*), sum(id) FROM account WHERE owner = 7",
        "SELECT count(*), sum(id) FROM account WHERE note > 'xxxx'",
    ];
    for sql in queries {
        let mut answers = Vec::new();
        for (seq, index, bitmap) in [("on", "off", "off"), ("off", "on", "off"), ("off", "off", "on")] {
            query(
                client,
                &format!(
                    "SET enable_seqscan = {seq}; SET enable_indexscan = {index}; SET enable_indexonlyscan = {index}; SET enable_bitmapscan = {bitmap}"
                ),
            )?;
            answers.push(query(client, sql)?);
        }
        if answers.iter().any(|a| *a != answers[0]) {
            return Err(format!("{sql}: scans of table, index and bitmap differ: {answers:?}"));
        }
    }
    query(client, "RESET ALL").map(drop)
}

fn tables(client: &mut Client, churn: &mut Churn) -> Result<(), String> {
    let names =
        query(client, "SELECT relname FROM pg_class WHERE relname LIKE 'churn\\_%' AND relkind = 'r'")?;
    let mut found = BTreeMap::new();
    for name in names.into_iter().filter_map(|row| row.into_iter().next().flatten()) {
        let Some(n) = name.strip_prefix("churn_").and_then(|n| n.parse().ok()) else { continue };
        let rows =
            numbers(client, &format!("SELECT count(*) FROM {name} WHERE length(t) >= 0 OR t IS NULL"))?;
        let by_index =
            numbers(client, &format!("SET enable_seqscan = off; SELECT count(*) FROM {name} WHERE id >= 0"))?;
        if rows != by_index {
            return Err(format!("{name}: {rows:?} rows in the table, {by_index:?} by an index"));
        }
        found.insert(n, rows[0] as u64);
    }
    churn.settle(&found)
}

/// Files of the database are those that the catalog names. One that it names may not be there yet, if it is empty.
fn files(client: &mut Client, data: &Path) -> Result<(), String> {
    let database = numbers(client, "SELECT oid::bigint FROM pg_database WHERE datname = current_database()")?;
    let named: HashSet<i64> = numbers(
        client,
        "SELECT pg_relation_filenode(oid)::bigint FROM pg_class WHERE pg_relation_filenode(oid) IS NOT NULL",
    )?
    .into_iter()
    .collect();
    for dir in [data.join("base").join(database[0].to_string()), data.join("global")] {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for entry in entries {
            let name = entry.map_err(|e| e.to_string())?.file_name().to_string_lossy().into_owned();
            let number = name.split(['_', '.']).next().and_then(|n| n.parse::<i64>().ok());
            if !number.is_some_and(|n| named.contains(&n)) {
                return Err(format!("file {}/{name} belongs to nothing in the catalog", dir.display()));
            }
        }
    }
    Ok(())
}
