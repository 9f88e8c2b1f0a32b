//! Every way that a task's life can take: {runtime kind} × {what the future does} × {what its handle
//! does} × {whether the output's destructor panics}.
//!
//! After each life the future and the output must have been dropped exactly once, and the handle must have
//! said the truth.

use brigade_runtime::{JoinError, Runtime};
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    /// Ready at the first poll.
    Ready,
    /// Ready at the third poll.
    Yields,
    /// Never ready.
    Pends,
    Panics,
    /// Ready at the first poll, and its destructor panics.
    PanicsInDrop,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Handle {
    Joined,
    Dropped,
    /// Cancelled before anything could run.
    CancelledBefore,
    /// Cancelled by another thread while it runs.
    CancelledDuring,
    CancelledAfter,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum OutputDrop {
    Quiet,
    Panics,
}

#[derive(Clone, Default)]
struct Counts {
    future: Arc<AtomicUsize>,
    output: Arc<AtomicUsize>,
    made: Arc<AtomicUsize>,
}

struct Work {
    does: Does,
    output_drop: OutputDrop,
    polls: usize,
    counts: Counts,
}

struct Output {
    drop: OutputDrop,
    counts: Counts,
}

impl Future for Work {
    type Output = Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output> {
        self.polls += 1;
        match self.does {
            Does::Panics => panic!("as told"),
            Does::Pends => return Poll::Pending,
            Does::Yields if self.polls < 3 => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            _ => {}
        }
        self.counts.made.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Output { drop: self.output_drop, counts: self.counts.clone() })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.counts.future.fetch_add(1, Ordering::SeqCst);
        if self.does == Does::PanicsInDrop && self.polls > 0 {
            panic!("in the future's destructor, as told");
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.counts.output.fetch_add(1, Ordering::SeqCst);
        if self.drop == OutputDrop::Panics && !std::thread::panicking() {
            panic!("in the output's destructor, as told");
        }
    }
}

fn live(runtime: Runtime, does: Does, handle: Handle, output_drop: OutputDrop) {
    let case = format!("{runtime:?}, {does:?}, {handle:?}, output's drop {output_drop:?}");
    let counts = Counts::default();
    let work = Work { does, output_drop, polls: 0, counts: counts.clone() };
    let task = runtime.spawn(work);
    let result = match handle {
        Handle::Joined if does == Does::Pends => {
            task.cancel();
            Some(runtime.block_on(task))
        }
        Handle::Joined => Some(runtime.block_on(task)),
        Handle::Dropped => {
            // A finished task has left its output to the handle.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(task)));
            None
        }
        Handle::CancelledBefore => {
            task.cancel();
            Some(runtime.block_on(task))
        }
        Handle::CancelledDuring => {
            std::thread::scope(|scope| {
                scope.spawn(|| task.cancel());
                runtime.block_on(brigade_runtime::yield_now());
            });
            Some(runtime.block_on(task))
        }
        Handle::CancelledAfter => {
            while does != Does::Pends && !task.is_finished() {
                runtime.block_on(brigade_runtime::yield_now());
            }
            task.cancel();
            Some(runtime.block_on(task))
        }
    };
    let certain = matches!(handle, Handle::Joined | Handle::CancelledAfter);
    match &result {
        Some(Ok(_)) => assert!(matches!(does, Does::Ready | Does::Yields), "{case}"),
        Some(Err(JoinError::Panicked(..))) => {
            assert!(matches!(does, Does::Panics | Does::PanicsInDrop), "{case}")
        }
        Some(Err(JoinError::Cancelled(_))) => assert!(does == Does::Pends || !certain, "{case}"),
        Some(Err(error)) => panic!("{case}: {error}"),
        None => {}
    }
    let _ = catch_unwind(AssertUnwindSafe(|| drop(result)));
    drop(runtime);
    let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);
    assert_eq!(count(&counts.future), 1, "futures dropped: {case}");
    assert_eq!(count(&counts.output), count(&counts.made), "outputs dropped: {case}");
}

#[test]
fn every_life_ends_well() {
    // The panics are meant, and their messages would bury those that are not.
    let kinds: [fn() -> std::io::Result<Runtime>; 3] =
        [Runtime::current_thread, || Runtime::multi_thread(1), || Runtime::multi_thread(2)];
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or_default();
        if !text.ends_with("as told") {
            usual(info);
        }
    }));
    for kind in kinds {
        for does in [Does::Ready, Does::Yields, Does::Pends, Does::Panics, Does::PanicsInDrop] {
            for handle in [
                Handle::Joined,
                Handle::Dropped,
                Handle::CancelledBefore,
                Handle::CancelledDuring,
                Handle::CancelledAfter,
            ] {
                for output_drop in [OutputDrop::Quiet, OutputDrop::Panics] {
                    live(kind().unwrap(), does, handle, output_drop);
                }
            }
        }
    }
}
