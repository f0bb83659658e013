//! Several worlds at once: each is single-threaded, and they know nothing of each other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Works through `jobs` on all processors and hands the results to `take`, in the order of the jobs.
pub(crate) fn in_order<J: Sync, R: Send, E>(
    jobs: &[J],
    work: impl Fn(&J) -> R + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else {
                        break;
                    };
                    // The receiver is gone when nobody reads our output any more.
                    if sender.send((index, work(job))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut done: Vec<Option<R>> = jobs.iter().map(|_| None).collect();
        let mut taken = 0;
        for (index, result) in receiver {
            if let Some(slot) = done.get_mut(index) {
                *slot = Some(result);
            }
            while let Some(result) = done.get_mut(taken).and_then(Option::take) {
                taken += 1;
                take(result)?;
            }
        }
        Ok(())
    })
}
