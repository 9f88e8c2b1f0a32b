//! Passing on a stack job that its thief must not run. Rule 4 of `join/stack_job.rs` says why.

use crate::{
    job::{JobHeader, JobRef, JobVtable, memory},
    join::stolen::Stolen,
    registry::Registry,
    worker::current,
};
use std::ptr::NonNull;

/// Passes a stack job on, for a thief that waits for something else.
pub(crate) fn pass_on(stolen: Stolen, registry: &Registry) {
    let victim = stolen.victim();
    if registry.slot(victim).passed_on.push(stolen) {
        registry.sleep.unpark(victim);
    }
    let job = memory::put(PassedOnJob { header: JobHeader::new(&PassedOnJob::VTABLE), victim });
    // SAFETY: the header is the first field, and this block, which may be sent, lives until a function of
    // the vtable takes it.
    registry.inject(unsafe { JobRef::from_raw(job.cast()) });
}

/// A job that stands for a stack job in the list of the worker `victim`. It runs any job of that list; it
/// does nothing if the owner has taken the last one.
#[repr(C)]
struct PassedOnJob {
    header: JobHeader,
    victim: usize,
}

impl PassedOnJob {
    /// A worker waits for the stack job, so it cannot be discarded: discarding runs it.
    const VTABLE: JobVtable =
        JobVtable { run: Self::run, discard: Self::run_instead, may_be_cancelled: false };

    /// Runs the job, since discarding it would leave its owner waiting.
    ///
    /// # Safety
    ///
    /// As for `run`.
    unsafe fn run_instead(job: NonNull<JobHeader>) -> bool {
        // SAFETY: this is the only call.
        unsafe { Self::run(job) };
        false
    }

    /// Runs a stack job of the list, if there is one.
    ///
    /// # Safety
    ///
    /// This is the queue's only call for this job.
    unsafe fn run(job: NonNull<JobHeader>) {
        // SAFETY: `pass_on` put it there, and only one function of its vtable is called, once.
        let Self { victim, .. } = unsafe { memory::take(job.cast::<Self>()) };
        current::with(|worker| {
            let Some(worker) = worker else { return };
            let stack_job = worker.registry.slot(victim).passed_on.pop();
            stack_job.into_iter().for_each(|stack_job| worker.run_stolen(stack_job));
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{
        job::detached,
        join::stack_job::StackJob,
        worker::{Worker, current},
    };
    use std::{panic::Location, thread};

    #[test]
    fn a_stack_job_that_is_passed_on_is_run_by_another_worker() {
        let pool = crate::Pool::builder().threads(1).build().unwrap();
        let ours = thread::current().id();
        let stack_job = StackJob::new(|| thread::current().id() != ours);
        // SAFETY: it is in no deque, and no other thread has it.
        let stolen = unsafe { Stolen::new(stack_job.header(), 0) };
        pass_on(stolen, &pool.registry);
        while !stack_job.state().is_done() {
            thread::yield_now();
        }
        // SAFETY: it is done, and the result is taken once.
        assert!(unsafe { stack_job.take_result() }.unwrap());
    }

    #[test]
    fn the_owner_takes_back_a_passed_on_stack_job_if_no_other_worker_is_free() {
        let pool = crate::Pool::builder().threads(1).build().unwrap();
        let is_here = pool.install(|| {
            let ours = thread::current().id();
            let stack_job = StackJob::new(|| thread::current().id() == ours);
            current::with(|worker| {
                let worker = worker.expect("it is installed on a worker");
                // The only other thread that could ever run the injected job gets a job first that waits
                // for this one.
                let (go, gate) = std::sync::mpsc::channel::<()>();
                let waits = move || assert!(gate.recv().is_err());
                worker.registry.inject(detached::new(&worker.registry, waits, Location::caller()));
                // SAFETY: it is in no deque, and no other thread has it.
                let stolen = unsafe { Stolen::new(stack_job.header(), worker.index) };
                pass_on(stolen, &worker.registry);
                Worker::wait_for_stack_job(stack_job.state(), None);
                drop(go);
            });
            // SAFETY: the job is done, and the result is taken once.
            unsafe { stack_job.take_result() }.unwrap()
        });
        assert!(is_here);
    }
}
