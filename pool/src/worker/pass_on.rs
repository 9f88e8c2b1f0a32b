//! Passing on a half that its thief may not run: see rule 4 of `stack_job.rs`.

use crate::{
    job::{Header, JobRef, Verbs, memory},
    join::stolen::Stolen,
    registry::Crew,
    worker::current,
};
use std::ptr::NonNull;

/// Passes a half on, for a thief that waits for something else.
pub(crate) fn pass_on(stolen: Stolen, crew: &Crew) {
    let victim = stolen.victim();
    if crew.seat(victim).passed_on.push(stolen) {
        crew.sleep.unpark(victim);
    }
    let ticket = memory::put(Ticket { header: Header::new(&Ticket::VERBS), victim });
    // SAFETY: the header is the first field, and this block, which may be sent, lives until a verb takes it.
    crew.inject(unsafe { JobRef::from_raw(ticket.cast()) });
}

/// Runs a half that was passed on, if the owner has not taken it.
#[repr(C)]
struct Ticket {
    header: Header,
    victim: usize,
}

impl Ticket {
    /// Somebody waits for the half, so it cannot be discarded: it is run.
    const VERBS: Verbs = Verbs { run: Self::run, discard: Self::run_instead, may_be_cancelled: false };

    /// # Safety
    ///
    /// As for `run`.
    unsafe fn run_instead(job: NonNull<Header>) -> bool {
        // SAFETY: this is the only call.
        unsafe { Self::run(job) };
        false
    }

    /// # Safety
    ///
    /// This is the queue's only call for this ticket.
    unsafe fn run(job: NonNull<Header>) {
        // SAFETY: it was put there by `pass_on`, and its verb is called once.
        let Self { victim, .. } = unsafe { memory::take(job.cast::<Self>()) };
        current::with(|worker| {
            let Some(worker) = worker else { return };
            let half = worker.crew.seat(victim).passed_on.pop();
            half.into_iter().for_each(|half| worker.run_stolen(half));
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{join::stack_job::Half, worker::Worker};
    use std::thread;

    #[test]
    fn a_half_that_is_passed_on_is_run_by_somebody_else() {
        let pool = crate::Pool::builder().threads(1).build().unwrap();
        let ours = thread::current().id();
        let half = Half::new(|| thread::current().id() != ours);
        // SAFETY: it is in no deque, and nobody else has it.
        let stolen = unsafe { Stolen::new(half.header(), 0) };
        pass_on(stolen, &pool.crew);
        while !half.state().is_done() {
            thread::yield_now();
        }
        // SAFETY: it is done, and the result is taken once.
        assert!(unsafe { half.take_result() }.unwrap());
    }

    #[test]
    fn the_owner_takes_back_a_half_that_was_passed_on_if_nobody_else_is_there() {
        let pool = crate::Pool::builder().threads(1).build().unwrap();
        let is_here = pool.install(|| {
            let ours = thread::current().id();
            let half = Half::new(|| thread::current().id() == ours);
            current::with(|worker| {
                let worker = worker.expect("it is installed on a worker");
                // The only other thread that could ever run the ticket comes to a job that waits for this one.
                let (go, gate) = std::sync::mpsc::channel::<()>();
                worker.crew.inject(crate::job::detached::new(move || assert!(gate.recv().is_err())));
                // SAFETY: it is in no deque, and nobody else has it.
                let stolen = unsafe { Stolen::new(half.header(), worker.index) };
                pass_on(stolen, &worker.crew);
                Worker::wait_for_half(half.state());
                drop(go);
            });
            // SAFETY: it is done, and the result is taken once.
            unsafe { half.take_result() }.unwrap()
        });
        assert!(is_here);
    }
}
