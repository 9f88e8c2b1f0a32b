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
use std::{io, ops::Range};

/// How many pieces of each sum there are for each worker. With more than one, a worker that starts late or
/// has to let another program run gets fewer pieces, and all workers end at about the same time.
const PIECES_PER_WORKER: usize = 2;

/// The sums of a mode, or why its workers could not be started.
type Summed = io::Result<Completed>;

// --code from here
/// The document: `[compute(10_000_000) for _ in range(5)]`.
pub(super) fn sync(plan: &SumPlan<'_>, progress: &Progress) -> Summed {
    let sum = |_| Ok(progress.tick(sum_of_squares(0..plan.n)));
    let sums: Vec<_> = (0..plan.tasks).map(sum).collect();
    Ok(completed(Workers::Threads(1), sums))
}
// --code to here

// --code from here
/// The document: `threading.Thread(target=compute, …)`, `start`, `join`.
pub(super) fn threads(plan: &SumPlan<'_>, progress: &Progress) -> Summed {
    let pool = pools::threads(plan.workers, "sum")?;
    progress.workers_ready();
    // Each piece is a job: `map` would give a worker several pieces at a
    // time, which is cheaper but less even.
    let sum = |piece| pool.spawn(move || sum_of_squares(piece));
    let jobs: Vec<_> = plan.pieces().map(sum).collect();
    let parts = jobs.into_iter().map(|job| job.join());
    let sums = plan.combine(parts, progress);
    progress.work_done();
    pool.shutdown();
    Ok(completed(Workers::Threads(plan.workers), sums))
}
// --code to here

// --code from here
/// The document: `with Pool(5) as p: p.map(compute, [10_000_000] * 5)`.
///
/// With a launcher the children are behind its command, perhaps on other
/// machines.
pub(super) fn processes(plan: &SumPlan<'_>, progress: &Progress) -> Summed {
    let count = plan.workers;
    let procs = match plan.launcher {
        Some(launcher) => pools::processes_by(launcher.clone(), count)?,
        None => pools::processes(count)?,
    };
    progress.workers_ready();
    let calls: Vec<_> = procs.with(|procs| {
        let sum = |piece| procs.spawn(sum_in_child, piece);
        plan.pieces().map(sum).collect()
    });
    let mut cost = CallCost::default();
    let parts = calls.into_iter().map(|call| {
        let (sum, of_call) = call.join()?;
        cost.add(of_call);
        Ok(sum)
    });
    let sums = plan.combine(parts, progress);
    progress.work_done();
    procs.shutdown();
    let CallCost { cpu, peak_bytes } = cost;
    let workers = Workers::Children { count, peak_bytes, cpu };
    Ok(completed(workers, sums))
}

/// Runs in the child. Returns the sum and its cost.
fn sum_in_child(piece: Range<u64>) -> (u128, CallCost) {
    measure_call(|| sum_of_squares(piece))
}
// --code to here

impl SumPlan<'_> {
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
