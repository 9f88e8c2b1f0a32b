//! In child processes. The document: `with Pool(5) as p: p.map(fetch, urls)`.

use super::{FetchPlan, Fetched, completed, reply_of};
use crate::{
    experiment::{CallCost, Workers, measure_call},
    fetch::{Reply, blocking},
    pools,
    show::Progress,
};
use std::time::Duration;

/// More children than this are of no use, however many requests there are.
pub(super) const CHILDREN_MAX: usize = 64;

// --code from here
pub(super) fn fetch_all(plan: &FetchPlan, progress: &Progress) -> Fetched {
    let count = plan.workers(CHILDREN_MAX);
    let procs = pools::processes(count)?;
    progress.workers_ready();
    let calls: Vec<_> = procs.with(|procs| {
        let limit = plan.limit.as_secs_f64();
        let ask = |url: &String| procs.spawn(fetch, (url.clone(), limit));
        plan.urls.iter().map(ask).collect()
    });
    let mut cost = CallCost::default();
    let replies = calls.into_iter().map(|call| {
        let answer = progress.tick(call.join());
        reply_of(answer.map(|(reply, of_call)| {
            cost.add(of_call);
            reply
        }))
    });
    let replies: Vec<Reply> = replies.collect();
    progress.work_done();
    procs.shutdown();
    let CallCost { cpu, peak_bytes } = cost;
    let workers = Workers::Children { count, peak_bytes, cpu };
    Ok(completed(workers, replies))
}

/// Runs in the child. Parent and child are the same program, so the parent
/// names the function by its place in it.
fn fetch((url, limit): (String, f64)) -> (Reply, CallCost) {
    measure_call(|| blocking::fetch(&url, Duration::from_secs_f64(limit)))
}
// --code to here
