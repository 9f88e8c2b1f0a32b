//! Lab 1: `block_on` and a waker. The chapter is `course/book/src/labs/01-block-on.md`.

use brigade_course_kit::{
    lab01::BlockOn,
    sync::{Arc, Condvar, Mutex},
    to_write,
};
use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Wake, Waker},
};

/// Your executor. The grader calls `Student::block_on`.
pub struct Student;

/// The memory of one `block_on`, which its waker shares.
#[derive(Default)]
struct Signal {
    // Step 1: what must a wake-up leave behind, so that it is not lost? Locks and condition variables come
    // from the kit, not from `std`: the grader decides there which thread goes on.
    _lock: Mutex<()>,
    _bell: Condvar,
}

impl Signal {
    /// Sleeps until the future is woken.
    fn wait(&self) {
        to_write("step 3: sleep until the waker is called")
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        to_write("step 2: note the wake-up, and end the sleep")
    }
}

impl BlockOn for Student {
    fn block_on<F: Future>(future: F) -> F::Output {
        let signal = Arc::new(Signal::default());
        let waker = Waker::from(signal.clone());
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        match future.as_mut().poll(&mut context) {
            Poll::Ready(_output) => to_write("step 4: return the output"),
            Poll::Pending => {
                signal.wait();
                to_write("step 5: poll again, until the future is ready")
            }
        }
    }
}
