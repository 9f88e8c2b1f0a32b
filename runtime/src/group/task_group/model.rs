//! Loom models: a member ends, or fails, while the group is polled.

use super::*;
use loom::thread;
use std::{
    future::{pending, ready},
    pin::pin,
    task::{Wake, Waker},
};

/// A waker that remembers that it was woken.
struct WakeFlag(loom::sync::atomic::AtomicBool);

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, loom::sync::atomic::Ordering::Relaxed);
    }
}

/// Polls a group while its only member ends: the group is ready, or it is woken and then ready.
fn ends<B>(body: B, end: fn(&GroupShared<u32>)) -> Result<u32, u32>
where
    B: Future<Output = Result<u32, u32>>,
{
    let shared = Arc::new(GroupShared::new());
    assert!(!shared.count_in());
    let ending = shared.clone();
    let member = thread::spawn(move || end(&ending));
    let (at, wait) = (std::panic::Location::caller(), brigade_trace::Wait::NONE);
    let mut group = pin!(GroupFuture { body: Some(Box::pin(body)), value: None, shared, at, wait });
    let parent = Arc::new(WakeFlag(loom::sync::atomic::AtomicBool::new(false)));
    let waker = Waker::from(parent.clone());
    let mut context = Context::from_waker(&waker);
    let first = group.as_mut().poll(&mut context);
    member.join().unwrap();
    match first {
        Poll::Ready(result) => result,
        Poll::Pending => {
            assert!(parent.0.load(loom::sync::atomic::Ordering::Relaxed), "the wake-up was lost");
            let Poll::Ready(result) = group.poll(&mut context) else { panic!("the group hangs") };
            result
        }
    }
}

#[test]
fn a_group_sees_its_last_member_end() {
    loom::model(|| assert_eq!(ends(ready(Ok(7)), |shared| shared.count_out(None)), Ok(7)));
}

#[test]
fn a_group_whose_body_waits_sees_a_member_fail() {
    let fail = |shared: &GroupShared<u32>| {
        shared.fail(Failure::Error(1));
        shared.count_out(None);
    };
    loom::model(move || assert_eq!(ends(pending(), fail), Err(1)));
}
