//! The entrance of each pool: it starts a pool with a number of threads and puts work inside, so that a bench
//! measures the work and not the way in.

use crate::bench::{Side, timed, workers};
use std::{num::NonZero, thread};

/// Starts Brigade's pool with this many threads.
pub(crate) fn start_brigade(threads: usize) -> brigade_pool::Pool {
    brigade_pool::Pool::builder().threads(threads).build().expect("the machine lets us start a thread a core")
}

/// Starts rayon's pool with this many threads.
pub(crate) fn start_rayon(threads: usize) -> rayon::ThreadPool {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
    builder.build().expect("the machine lets us start a thread a core")
}

/// Starts chili's pool with this many threads. The thread that opens a scope counts as one of them.
pub(crate) fn start_chili(threads: usize) -> chili::ThreadPool {
    chili::ThreadPool::with_config(chili::Config {
        thread_count: NonZero::new(threads),
        ..Default::default()
    })
}

/// Runs `work`, which is `ops` operations, on a worker of brigade's pool.
pub(crate) fn brigade(ops: u64, work: impl Fn() + Send + Sync + 'static) -> Side {
    brigade_with(workers(), ops, work)
}

/// Like [`brigade`], with this many threads.
pub(crate) fn brigade_with(threads: usize, ops: u64, work: impl Fn() + Send + Sync + 'static) -> Side {
    let pool = start_brigade(threads);
    timed(ops, move |iterations| pool.install(|| (0..iterations).for_each(|_| work())))
}

/// Runs `work` on a worker of rayon's pool.
pub(crate) fn rayon(ops: u64, work: impl Fn() + Send + Sync + 'static) -> Side {
    let pool = start_rayon(workers());
    timed(ops, move |iterations| pool.install(|| (0..iterations).for_each(|_| work())))
}

/// Runs `work` in a scope of chili's pool.
pub(crate) fn chili(ops: u64, work: impl Fn(&mut chili::Scope<'_>) + 'static) -> Side {
    chili_with(workers(), ops, work)
}

/// Like [`chili`], with this many threads.
pub(crate) fn chili_with(threads: usize, ops: u64, work: impl Fn(&mut chili::Scope<'_>) + 'static) -> Side {
    let pool = start_chili(threads);
    timed(ops, move |iterations| {
        let mut scope = pool.scope();
        (0..iterations).for_each(|_| work(&mut scope));
    })
}

/// Runs `work` on forte's pool. The thread that measures joins the pool, and counts as one of its threads.
pub(crate) fn forte(ops: u64, work: impl Fn(&forte::Worker) + 'static) -> Side {
    /// Ends the pool's threads, so that its heartbeat does not disturb other benches. forte 1.0.0-alpha.4
    /// waits there for its heartbeat while it holds the lock that the heartbeat waits for. So a thread of its
    /// own does it: at worst the three threads sleep for ever, which uses no CPU time, and each bench has a
    /// pool of its own.
    struct End(&'static forte::ThreadPool);
    impl Drop for End {
        fn drop(&mut self) {
            let pool = self.0;
            thread::spawn(|| pool.depopulate());
        }
    }
    let end = End(Box::leak(Box::new(forte::ThreadPool::new())));
    end.0.resize_to(workers().saturating_sub(1).max(1));
    timed(ops, move |iterations| {
        // The whole guard, so that it lives as long as the side.
        let end = &end;
        end.0.with_worker(|worker| (0..iterations).for_each(|_| work(worker)));
    })
}

/// Runs `work` on the thread that measures.
pub(crate) fn sequential(ops: u64, work: impl Fn() + 'static) -> Side {
    timed(ops, move |iterations| (0..iterations).for_each(|_| work()))
}
