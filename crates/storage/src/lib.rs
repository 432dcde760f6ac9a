//! Durable MVCC storage: disk, buffer pool, write-ahead log, recovery, transactions, locks, heap, indexes, vacuum.
//!
//! The crate knows no SQL and no types: rows are bytes with a layout of widths, index keys are order-preserving
//! byte strings. Everything enters through [`Storage`]; every change of a page goes through
//! [`Storage::log_change`](engine::Storage::log_change).
//!
//! Layers, each using only those before it: [`disk`] → [`page`] → [`files`] → [`wal`] → [`buffer`] → [`txn`], [`lock`]
//! → [`engine`] (with [`recovery`], [`checkpoint`]) → [`heap`], [`index`].

pub mod allocator;
pub mod buffer;
pub mod check;
pub mod checkpoint;
pub mod control;
pub mod disk;
pub mod engine;
pub mod fatal;
pub mod files;
pub mod fsm;
pub mod heap;
pub mod ids;
pub mod index;
pub mod lock;
pub mod log_change;
pub mod malloc;
pub mod page;
pub mod recovery;
pub mod relations;
pub mod row;
pub mod sequence;
pub mod sort;
pub mod ssi;
pub mod stats;
pub mod temp_file;
pub mod toast;
pub mod txn;
pub mod unlogged;
pub mod vacuum;
pub(crate) mod varint;
pub mod vm;
pub mod wal;
pub mod workers;

pub use engine::{Config, Storage};
pub use ids::{DbId, Fork, PageId, Persistence, RelId};
pub use lock::{LockMode, LockTag, WaitPolicy};
pub use txn::{IsolationLevel, Snapshot, SubLevel, Transaction, TxnManager, XidStatus};
