//! Pools whose workers have all started: a measurement of their work must not begin with their start.

use crate::interrupt::Interruptible;
use brigade_handle::JoinHandle;
use brigade_pool::Pool;
use brigade_process::ProcessPool;
use std::{
    collections::HashSet,
    io, process,
    sync::{Arc, Barrier},
};

/// How many times the children are asked for their process ids at most.
const ROLL_CALLS_MAX: usize = 100;

/// A pool of so many threads, each of which has begun to work.
///
/// # Errors
///
/// If the threads cannot be had.
pub fn threads(count: usize, name: &str) -> io::Result<Pool> {
    let pool = Pool::builder().threads(count).name(name).build()?;
    // A job for each thread: none of them ends before each thread has its own.
    let everybody = Arc::new(Barrier::new(count));
    pool.map(move |_| everybody.wait().is_leader(), 0..count);
    Ok(pool)
}

/// A pool of so many children, each of which has answered a call. Ctrl-C ends them.
///
/// # Errors
///
/// If they cannot be started.
pub fn processes(count: usize) -> io::Result<Interruptible> {
    let procs = Interruptible::new(ProcessPool::new(count)?);
    let mut heard = HashSet::new();
    // A child that ends at once is never heard; the calls that follow will tell.
    for _ in 0..ROLL_CALLS_MAX {
        let spawn = |procs: &ProcessPool| (0..count).map(|_| procs.spawn(|()| process::id(), ())).collect();
        let ids: Vec<JoinHandle<u32>> = procs.with(spawn);
        heard.extend(ids.into_iter().filter_map(|id| id.join().ok()));
        if heard.len() >= count {
            break;
        }
    }
    Ok(procs)
}
