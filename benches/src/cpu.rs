//! The CPU time of this process and of the processes that work for it.

use crate::sys;
use std::{
    fs, process,
    process::{Child, Command},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The children that are no part of our side: peers, servers, load generators.
static OUTSIDERS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// The CPU time of all threads of this process, living and ended.
pub(crate) fn own() -> Duration {
    sys::cpu_time()
}

/// The CPU time of all threads of this process but the calling one.
pub(crate) fn of_other_threads() -> Duration {
    sys::cpu_time().saturating_sub(sys::cpu_time_of_this_thread())
}

/// The CPU time of this process, of its children that have ended, and of those that live, unless they are
/// [outsiders](spawn_outsider).
pub(crate) fn with_children() -> Duration {
    let outsiders = OUTSIDERS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let living =
        children().into_iter().filter(|child| !outsiders.contains(child)).filter_map(sys::cpu_time_of);
    own() + sys::cpu_time_of_the_dead() + living.sum()
}

/// Starts a child process whose CPU time does not count.
///
/// # Errors
///
/// Returns the error of [`Command::spawn`].
pub(crate) fn spawn_outsider(command: &mut Command) -> std::io::Result<Child> {
    let child = command.spawn()?;
    OUTSIDERS.lock().unwrap_or_else(PoisonError::into_inner).push(child.id());
    Ok(child)
}

/// The living children of this process, whichever thread started them.
pub(crate) fn children() -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", process::id())) else { return Vec::new() };
    let lists =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<_>>()).collect()
}
