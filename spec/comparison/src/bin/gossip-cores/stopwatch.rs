//! The processor time of this thread.

use rustix::time::{ClockId, clock_gettime};

/// Adds up processor time of the thread; what other processes do does not count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stopwatch {
    nanos: u64,
}

impl Stopwatch {
    /// Does `work` on the clock.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let before = now();
        let done = work();
        self.nanos += now() - before;
        done
    }

    /// Nanoseconds on the clock.
    pub fn nanos(self) -> u64 {
        self.nanos
    }
}

fn now() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
