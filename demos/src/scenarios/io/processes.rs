//! In child processes. The document: `with Pool(5) as p: p.map(fetch, urls)`.

use super::{Plan, effort};
use crate::{
    experiment::{Crew, Effort, peak_bytes},
    fetch::{Failure, Reply, blocking},
    interrupt::Guarded,
    show::Progress,
};
use std::{io, time::Duration};

/// More children than this are of no use to anybody, however many requests there are.
pub(super) const MOST: usize = 64;

pub(super) fn fetch_all(plan: &Plan, progress: &Progress) -> io::Result<Effort> {
    let workers = plan.workers(MOST);
    let procs = Guarded::start(workers)?;
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
    Ok(effort(Crew::Children(workers, largest), replies))
}

/// Runs in the child: an ordinary function, named by where it stands in the program that both are.
fn fetch((url, limit): (String, f64)) -> (Reply, u64) {
    (blocking::fetch(&url, Duration::from_secs_f64(limit)), peak_bytes())
}
