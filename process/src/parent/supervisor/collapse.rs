//! The supervisor's thread, and what happens if its code panics, which would be a bug: every handle
//! completes with the reason, the pool takes no more calls, and the children are killed.

use super::{Rules, Supervisor};
use crate::{
    call::{Answer, Call, panics},
    parent::{
        child::Child,
        launcher::Ended,
        output::Output,
        shared::{self, Shared, StartOutcome},
        starter::StartQueue,
    },
    system::poller::Poller,
    usage,
};
use brigade_handle::{
    Lost, contain,
    wait::{self, Policy},
};
use std::{
    io, mem,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// The text for foreign code that would wait on the supervisor's thread.
const ADVICE: &str = "it is the supervisor of a process pool, which takes the answers to all calls, and to the one that is waited for. A waker \
                      or a decoder must not wait: await the handle in a task, or join it on a thread of your own";

/// Starts the supervisor's thread. It decodes results, so it gets as large a stack as the main thread may
/// have, or the usual stack where that is not to be had.
pub(crate) fn spawn(run: impl FnOnce() + Send + 'static) -> io::Result<thread::JoinHandle<()>> {
    let run = Arc::new(Mutex::new(Some(run)));
    let start = |builder: thread::Builder| {
        let run = run.clone();
        builder.name("brigade-processes".into()).spawn(move || {
            let run = run.lock().unwrap_or_else(PoisonError::into_inner).take();
            run.expect("one thread is started")();
        })
    };
    let large = start(thread::Builder::new().stack_size(usage::stack_size()));
    large.or_else(|_| start(thread::Builder::new()))
}

/// Runs the supervisor's thread.
pub(crate) fn supervise(
    shared: &Shared,
    start_queue: &Arc<StartQueue>,
    rules: &Rules,
    poller: Poller,
    output: Option<Output>,
) {
    let _end = Farewell { shared, start_queue };
    let _policy = wait::set(Policy::Forbid(ADVICE));
    let supervisor = Supervisor::new(shared, start_queue.clone(), rules, poller, output);
    let mut supervisor = match supervisor {
        Ok(supervisor) => supervisor,
        Err(error) => {
            return shared.refuse(Lost::Supervisor(format!("it cannot hear its bell: {error}").into()));
        }
    };
    // Unwind safe: the code after a panic takes the calls out of wherever they are, and trusts nothing
    // else.
    if let Err(report) = panics::catch(AssertUnwindSafe(|| supervisor.run())) {
        contain(|| supervisor.collapse(&report.message));
    }
    contain(|| drop(supervisor));
}

/// Sees to it that nobody waits for the thread once it has ended, whatever has ended it.
struct Farewell<'a> {
    shared: &'a Shared,
    start_queue: &'a StartQueue,
}

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        self.shared.refuse(Lost::Supervisor("its thread has ended".into()));
        let left = self.shared.take_all();
        // The destructor of a call tells its handle.
        contain(|| drop(left));
        self.start_queue.close();
    }
}

impl Supervisor<'_> {
    /// Ends the pool because of our own panic.
    #[cold]
    fn collapse(&mut self, why: &str) {
        let lost = Lost::Supervisor(format!("its own thread has panicked: {why}").into());
        self.shared.refuse(lost.clone());
        self.start_queue.stop();
        self.shared.lock().abandoned = true;
        let delivered = {
            let mut state = self.shared.lock();
            state.harvest(&mut self.done);
            mem::take(&mut state.delivered)
        };
        for start in delivered {
            if let StartOutcome::Child(child, ..) = start {
                self.children.add(*child);
            }
        }
        self.children.change_all(|child| {
            child.condemn(lost.clone());
            child.let_go(None);
        });
        self.children.change_all(Child::end_at_once);
        for at in self.children.places() {
            contain(|| self.take_leave(at, Ended::Killed(9)));
        }
        let waiting = mem::take(&mut self.shared.lock().queue);
        let lost = |call: Call| (call, Answer::Lost(lost.clone()));
        self.done.extend(waiting.into_iter().map(lost));
        shared::finish(&mut self.done);
    }
}
