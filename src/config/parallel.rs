//! Runs work on many files in parallel.

use std::num::NonZero;
use std::panic;
use std::thread;

/// With fewer items, a thread costs more than it saves.
const MIN_ITEMS_PER_THREAD: usize = 32;

pub(super) fn map<T: Sync, R: Send>(items: &[T], map: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let chunk_size = items.len().div_ceil(threads).max(MIN_ITEMS_PER_THREAD);
    if items.len() <= chunk_size {
        return items.iter().map(map).collect();
    }
    thread::scope(|scope| {
        let map = &map;
        let (first, rest) = items.split_at(chunk_size);
        let work = |items| scope.spawn(move || <[T]>::iter(items).map(map).collect::<Vec<R>>());
        let threads: Vec<_> = rest.chunks(chunk_size).map(work).collect();
        let mut results = Vec::with_capacity(items.len());
        results.extend(first.iter().map(map));
        for thread in threads {
            // A panic in a thread continues here, as without threads.
            results.extend(thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic)));
        }
        results
    })
}

#[cfg(test)]
mod tests {
    use super::map;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let items: Vec<usize> = (0..1001).collect();
        assert_eq!(
            map(&items, |item| item * 2),
            items.iter().map(|item| item * 2).collect::<Vec<_>>()
        );
        assert!(map(&[] as &[usize], |item| item * 2).is_empty());
    }
}
