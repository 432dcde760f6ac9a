//! Work on files, several at a time.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Calls `work` for each file, on up to `workers` threads; the results in the order of the files.
pub fn for_each<T: Send>(workers: usize, files: &[PathBuf], work: impl Fn(&Path) -> T + Sync) -> Vec<T> {
    let next = Mutex::new(0usize);
    let results: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..workers.min(files.len()) {
            scope.spawn(|| {
                loop {
                    let index = {
                        let mut next = next.lock().expect("no worker panics with it");
                        *next += 1;
                        *next - 1
                    };
                    let Some(file) = files.get(index) else { return };
                    let result = work(file);
                    results.lock().expect("no worker panics with it").push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no worker panics with it");
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
