//! In child processes. The document: `with Pool(5) as p: p.map(fetch, urls)`.

use super::{FetchPlan, completed};
use crate::{
    experiment::{CallCost, Completed, Workers, measure_call},
    fetch::{Failure, Reply, blocking},
    pools,
    show::Progress,
};
use std::{io, time::Duration};

/// More children than this are of no use, however many requests there are.
pub(super) const CHILDREN_MAX: usize = 64;

// --code from here
pub(super) fn fetch_all(plan: &FetchPlan, progress: &Progress) -> io::Result<Completed> {
    let count = plan.workers(CHILDREN_MAX);
    let procs = pools::processes(count)?;
    progress.workers_ready();
    let calls: Vec<_> = procs.with(|procs| {
        let limit = plan.limit.as_secs_f64();
        plan.urls.iter().map(|url| procs.spawn(fetch, (url.clone(), limit))).collect()
    });
    let mut cost = CallCost::default();
    let replies = calls.into_iter().map(|call| {
        let (reply, of_call) = progress
            .tick(call.join())
            .unwrap_or_else(|error| (Err(Failure::from_join(&error)), CallCost::default()));
        cost.add(of_call);
        reply
    });
    let replies: Vec<Reply> = replies.collect();
    progress.work_done();
    procs.shutdown();
    let workers = Workers::Children { count, peak_bytes: cost.peak_bytes, cpu: cost.cpu };
    Ok(completed(workers, replies))
}

/// Runs in the child. Parent and child are the same program, so the parent names the function by its place in
/// it.
fn fetch((url, limit): (String, f64)) -> (Reply, CallCost) {
    measure_call(|| blocking::fetch(&url, Duration::from_secs_f64(limit)))
}
// --code to here
