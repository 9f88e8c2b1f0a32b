//! Lab 1: `block_on` and a waker.

use brigade_course_kit::{
    lab01::BlockOn,
    sync::{Arc, Condvar, Mutex},
};
use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Wake, Waker},
};

/// The student's executor.
pub struct Student;

/// The memory of one `block_on`: whether its future was woken since its last poll began.
#[derive(Default)]
struct Signal {
    was_woken: Mutex<bool>,
    wakes: Condvar,
}

impl Signal {
    /// Sleeps until the future is woken, and forgets the wake-up.
    fn wait(&self) {
        let mut was_woken = self.was_woken.lock().expect("no thread panics with the lock");
        while !*was_woken {
            was_woken = self.wakes.wait(was_woken).expect("no thread panics with the lock");
        }
        *was_woken = false;
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        // The flag is set under the lock: the thread in `wait` either sees it, or sleeps already.
        *self.was_woken.lock().expect("no thread panics with the lock") = true;
        self.wakes.notify_one();
    }
}

impl BlockOn for Student {
    fn block_on<F: Future>(future: F) -> F::Output {
        let signal = Arc::new(Signal::default());
        let waker = Waker::from(signal.clone());
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            // The flag is clear here. A wake-up during the poll sets it, and the wait ends at once.
            match future.as_mut().poll(&mut context) {
                Poll::Ready(output) => return output,
                Poll::Pending => signal.wait(),
            }
        }
    }
}
