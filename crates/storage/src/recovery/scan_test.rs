//! A log read in chunks by several threads is the log that one reader sees, whatever its end looks like.

use super::chunk::{Forks, PARTITIONS};
use super::scan::Scan;
use crate::disk::{Disk, FaultDisk, FaultRng};
use crate::ids::{PageId, RelId};
use crate::wal::WalReader;
use crate::wal::record::{PageEntry, RecordKind, Style, body_crc, encode, length, padded, set_place};
use crate::wal::rmgr;
use crate::wal::segments::segment_path;
use quarry_common::{Lsn, Oid, Xid};
use std::sync::Arc;

const SEGMENT: u64 = 8192;
const SEGMENTS: u64 = 12;
const RUN: u32 = 3;

/// A record of `payload` bytes at `lsn` that changes `pages` pages.
fn record(lsn: Lsn, epoch: u32, payload: usize, pages: usize, rng: &mut FaultRng) -> Vec<u8> {
    let rel = RelId::new(Oid(5), 16384 + rng.below(3) as u32);
    let blocks: Vec<u32> = (0..pages).map(|_| rng.below(1000) as u32).collect();
    let style = Style { epoch, compress: false };
    let kind = RecordKind::new(rmgr::PAGE, 0);
    let payload: Vec<u8> = (0..payload).map(|_| rng.below(256) as u8).collect();
    let mut out = vec![];
    encode(&mut out, style, Xid(lsn.0), kind, &payload, pages, |i| {
        PageEntry::Change(PageId::main(rel, blocks[i]))
    });
    let crc = body_crc(&out, length(&out));
    set_place(&mut out, crc, lsn, lsn);
    out
}

/// The bytes of a log that begins at `from`, with records over several segments among them.
fn log(from: u64, rng: &mut FaultRng) -> Vec<u8> {
    let mut bytes = vec![];
    let mut epoch = 1;
    while bytes.len() < (SEGMENT * SEGMENTS) as usize {
        if rng.below(200) == 0 {
            epoch = (epoch + 1).min(RUN);
        }
        let payload = match rng.below(40) {
            0 => rng.below(3 * SEGMENT),
            1 => 0,
            _ => rng.below(200),
        };
        let lsn = Lsn(from + bytes.len() as u64);
        let pages = rng.below(4) as usize;
        bytes.extend(record(lsn, epoch, payload as usize, pages, rng));
    }
    bytes
}

fn store(disk: &Arc<dyn Disk>, first_segment: u64, bytes: &[u8]) {
    for (number, part) in (first_segment..).zip(bytes.chunks(SEGMENT as usize)) {
        let file = disk.open(&segment_path(number), true).expect("opens").expect("is made");
        file.write_at(part, 0).expect("is written");
    }
}

/// What a reader sees of each record: its place, its length, its pages.
type Seen = Vec<(u64, usize, Vec<PageId>)>;

fn one_by_one(disk: &Arc<dyn Disk>, from: Lsn) -> (Seen, Lsn, u32) {
    let mut reader = WalReader::new(disk.clone(), SEGMENT, from);
    let mut seen = vec![];
    while let Some(view) = reader.next_view().expect("can be read") {
        let pages = (0..view.block_count()).filter_map(|i| Some(view.block(i)?.id)).collect();
        seen.push((view.lsn().0, view.raw().len(), pages));
    }
    (seen, reader.position(), reader.epoch())
}

/// The same by chunks, of the records that change pages: everything else in them has no trace.
fn in_chunks(disk: &Arc<dyn Disk>, from: Lsn, threads: usize, memory: usize) -> (Seen, Lsn, u32, u64) {
    let forks = Forks::default();
    let scan = Scan { disk, segment_bytes: SEGMENT, run: RUN, threads, memory, forks: &forks, sync: true };
    let first = scan.read(from, None).expect("can be read");
    assert!(first.synced <= first.end.max(from) && first.end.0 - first.synced.0 < 2 * SEGMENT);
    let (end, epoch, records) = (first.end, first.epoch, first.records);
    let (mut seen, mut part) = (Seen::new(), first);
    loop {
        let mut changes: Vec<_> = vec![];
        for chunk in &part.chunks {
            (0..PARTITIONS).for_each(|partition| changes.extend_from_slice(chunk.changes(partition)));
        }
        changes.sort_by_key(|c| (c.at, c.index()));
        for of_record in changes.chunk_by(|a, b| a.at == b.at) {
            let view = part.record(of_record[0].at).expect("is there again");
            let pages = of_record.iter().map(|c| forks.page(c.page())).collect();
            seen.push((view.lsn().0, view.raw().len(), pages));
        }
        if part.upto == end {
            return (seen, end, epoch, records);
        }
        let upto = part.upto;
        part = scan.read(upto, Some(end)).expect("can be read");
        assert!(part.upto > upto, "goes on");
    }
}

#[test]
fn chunks_make_the_log() {
    for seed in 0..60 {
        let mut rng = FaultRng::new(seed);
        let disk: Arc<dyn Disk> = Arc::new(FaultDisk::new());
        disk.create_dir("wal").expect("is made");
        // What recycled segments hold: records of elsewhere in the log.
        store(&disk, 3, &log(1000 * SEGMENT, &mut rng));
        let from = 2 * SEGMENT + 8 * rng.below(SEGMENT / 8);
        let mut bytes = vec![0; (from - 2 * SEGMENT) as usize];
        bytes.extend(log(from, &mut rng));
        // It ends anywhere: at a record's end, in one, at a flipped bit.
        let cut = match rng.below(8) {
            0 => padded(0),
            _ => rng.below(bytes.len() as u64 - (from - 2 * SEGMENT)) as usize,
        } + (from - 2 * SEGMENT) as usize;
        if rng.below(2) == 0 {
            bytes.truncate(cut.max(1));
        } else if cut < bytes.len() {
            bytes[cut] ^= 1 << rng.below(8);
        }
        store(&disk, 2, &bytes);
        let (expected, end, epoch) = one_by_one(&disk, Lsn(from));
        let changing: Seen = expected.iter().filter(|(_, _, pages)| !pages.is_empty()).cloned().collect();
        for (threads, memory) in [(1, usize::MAX), (2, usize::MAX), (4, 2000), (3, 0)] {
            let found = in_chunks(&disk, Lsn(from), threads, memory);
            let wanted = (changing.clone(), end, epoch, expected.len() as u64);
            assert!(
                found == wanted,
                "seed {seed}, {threads} threads, {memory} bytes: {} records to {}, not {} to {end}",
                found.3,
                found.1,
                expected.len()
            );
        }
    }
}
