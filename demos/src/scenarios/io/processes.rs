//! In child processes. The document: `with Pool(5) as p: p.map(fetch, urls)`.

use super::{FetchPlan, completed};
use crate::{
    experiment::{Completed, Workers, peak_bytes},
    fetch::{Failure, Reply, blocking},
    pools,
    show::Progress,
};
use std::{io, time::Duration};

/// More children than this are of no use, however many requests there are.
pub(super) const CHILDREN_MAX: usize = 64;

// --code from here
pub(super) fn fetch_all(plan: &FetchPlan, progress: &Progress) -> io::Result<Completed> {
    let workers = plan.workers(CHILDREN_MAX);
    let procs = pools::processes(workers)?;
    progress.workers_ready();
    let calls: Vec<_> = procs.with(|procs| {
        let limit = plan.limit.as_secs_f64();
        plan.urls.iter().map(|url| procs.spawn(fetch, (url.clone(), limit))).collect()
    });
    let mut largest = 0;
    let replies = calls.into_iter().map(|call| {
        let (reply, peak) =
            progress.tick(call.join()).unwrap_or_else(|error| (Err(Failure::from_join(&error)), 0));
        largest = largest.max(peak);
        reply
    });
    let replies: Vec<Reply> = replies.collect();
    progress.work_done();
    procs.shutdown();
    Ok(completed(Workers::Children { count: workers, peak_bytes: largest }, replies))
}

/// Runs in the child. Parent and child are the same program, so the parent names the function by its place in
/// it.
fn fetch((url, limit): (String, f64)) -> (Reply, u64) {
    (blocking::fetch(&url, Duration::from_secs_f64(limit)), peak_bytes())
}
// --code to here
