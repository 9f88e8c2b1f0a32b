//! The sums one after the other, on threads, and in processes.

use super::SumPlan;
use crate::{
    experiment::{CallCost, Completed, Outcome, Workers, measure_call},
    fetch::Failure,
    pools,
    show::Progress,
    sums::{self, sum_of_squares},
};
use brigade_handle::JoinError;
use brigade_process::Argv;
use std::{io, ops::Range};

/// How many pieces of each sum there are for each worker. With more than one, a worker that starts late or
/// has to let another program run gets fewer pieces, and all workers end at about the same time.
const PIECES_PER_WORKER: usize = 2;

// --code from here
/// The document: `[compute(10_000_000) for _ in range(5)]`.
pub(super) fn sync(plan: &SumPlan, progress: &Progress) -> io::Result<Completed> {
    let sums: Vec<_> = (0..plan.tasks).map(|_| Ok(progress.tick(sum_of_squares(0..plan.n)))).collect();
    Ok(completed(Workers::Threads(1), sums))
}
// --code to here

// --code from here
/// The document: `threading.Thread(target=compute, …)` for each, then `join` each.
pub(super) fn threads(plan: &SumPlan, progress: &Progress) -> io::Result<Completed> {
    let pool = pools::threads(plan.workers, "sum")?;
    progress.workers_ready();
    // Each piece is a job: `map` would give a worker several pieces at a time, which is cheaper but less
    // even.
    let jobs: Vec<_> = plan.pieces().map(|piece| pool.spawn(move || sum_of_squares(piece))).collect();
    let sums = plan.combine(jobs.into_iter().map(|job| job.join()), progress);
    progress.work_done();
    pool.shutdown();
    Ok(completed(Workers::Threads(plan.workers), sums))
}
// --code to here

// --code from here
/// The document: `with Pool(5) as p: p.map(compute, [10_000_000] * 5)`.
///
/// With a launcher the children are behind its command, on other machines perhaps.
pub(super) fn processes(
    plan: &SumPlan,
    launcher: Option<&Argv>,
    progress: &Progress,
) -> io::Result<Completed> {
    let procs = match launcher {
        Some(launcher) => pools::processes_by(launcher.clone(), plan.workers)?,
        None => pools::processes(plan.workers)?,
    };
    progress.workers_ready();
    let calls: Vec<_> =
        procs.with(|procs| plan.pieces().map(|piece| procs.spawn(sum_in_child, piece)).collect());
    let mut cost = CallCost::default();
    let parts = calls.into_iter().map(|call| {
        let (sum, of_call) = call.join()?;
        cost.add(of_call);
        Ok(sum)
    });
    let sums = plan.combine(parts, progress);
    progress.work_done();
    procs.shutdown();
    let workers = Workers::Children { count: plan.workers, peak_bytes: cost.peak_bytes, cpu: cost.cpu };
    Ok(completed(workers, sums))
}

/// Runs in the child. Returns the sum and its cost.
fn sum_in_child(piece: Range<u64>) -> (u128, CallCost) {
    measure_call(|| sum_of_squares(piece))
}
// --code to here

impl SumPlan {
    /// How many pieces each sum is cut into.
    pub(super) fn pieces_each(&self) -> usize {
        self.workers * PIECES_PER_WORKER
    }

    /// The pieces of all sums, sum after sum.
    fn pieces(&self) -> impl Iterator<Item = Range<u64>> {
        (0..self.tasks).flat_map(|_| sums::pieces(self.n, self.pieces_each()))
    }

    /// Adds up the sums of the pieces. A sum fails with the first of its pieces that failed.
    fn combine<I>(&self, parts: I, progress: &Progress) -> Vec<Result<u128, JoinError>>
    where
        I: IntoIterator<Item = Result<u128, JoinError>>,
    {
        let mut parts = parts.into_iter();
        let mut sum = || {
            // Takes all pieces of this sum, also after a failure, because the next sum begins with the next
            // piece.
            let pieces: Vec<_> = parts.by_ref().take(self.pieces_each()).collect();
            progress.tick(pieces.into_iter().sum())
        };
        (0..self.tasks).map(|_| sum()).collect()
    }
}

/// Writes each sum as a text in JSON, because it has more digits than a JSON number can be trusted with.
fn completed(workers: Workers, sums: impl IntoIterator<Item = Result<u128, JoinError>>) -> Completed {
    let outcome = |sum: Result<u128, JoinError>| match sum {
        Ok(sum) => Outcome { value: sum.to_string().into(), failure: None },
        Err(error) => Outcome { value: serde_json::Value::Null, failure: Some(Failure::from_join(&error)) },
    };
    Completed { workers, outcomes: sums.into_iter().map(outcome).collect(), python: None }
}
