//! Pools whose workers are all there, so that a measurement of their work does not include their start.

use crate::interrupt::Interruptible;
use brigade_handle::{JoinError, JoinHandle, Lost};
use brigade_pool::Pool;
use brigade_process::{Launcher, Local, ProcessPool};
use std::{collections::HashSet, io, process};

/// How many times the children are asked for their process ids at most.
const ROLL_CALLS_MAX: usize = 100;

/// Starts a pool of `count` threads. Returns when the system has granted all of them.
///
/// # Errors
///
/// Fails if the system refuses the threads.
pub fn threads(count: usize, name: &str) -> io::Result<Pool> {
    Pool::builder().threads(count).name(name).build()
}

/// Starts a pool of `count` children. Returns when each child has answered a call. Ctrl-C ends the children.
///
/// # Errors
///
/// Fails if the children cannot be started.
pub fn processes(count: usize) -> io::Result<Interruptible> {
    processes_by(Local::default(), count)
}

/// The same with children that `launcher` starts. If one cannot be started, the error says why.
///
/// # Errors
///
/// Fails if the children cannot be started.
pub fn processes_by(launcher: impl Launcher + 'static, count: usize) -> io::Result<Interruptible> {
    let procs = ProcessPool::builder().workers(count).launcher(launcher).build()?;
    let procs = Interruptible::new(procs);
    let mut heard = HashSet::new();
    // A child that ends at once is never heard. The calls that follow will report it.
    for _ in 0..ROLL_CALLS_MAX {
        let spawn = |procs: &ProcessPool| (0..count).map(|_| procs.spawn(|()| process::id(), ())).collect();
        let ids: Vec<JoinHandle<u32>> = procs.with(spawn);
        for id in ids {
            match id.join() {
                Ok(id) => _ = heard.insert(id),
                Err(JoinError::Lost(Lost::NotStarted(why), _)) => {
                    return Err(io::Error::other(why.into_string()));
                }
                Err(_) => {}
            }
        }
        if heard.len() >= count {
            break;
        }
    }
    Ok(procs)
}
