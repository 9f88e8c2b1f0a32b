//! The waits that a trace shows of a source.

use super::*;
use brigade_trace::Session;
use std::{
    sync::{Arc, PoisonError},
    task::Wake,
    thread,
};

/// A process has one session at a time, so the tests take turns.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

struct Nothing;

impl Wake for Nothing {
    fn wake(self: Arc<Self>) {}
}

/// Makes a source with an id, which it has only if it is made while a session runs.
fn source() -> Source {
    let _session = Session::start(16).expect("the tests take turns");
    Source::new(Initially::Pending)
}

/// Returns the begins and ends of the waits for the source while `body` ran.
fn waits(source: &Source, body: impl FnOnce()) -> Vec<(Kind, Cause)> {
    let session = Session::start(1 << 10).expect("the tests take turns");
    body();
    let trace = session.stop();
    let mut events: Vec<_> = trace.events().filter(|event| event.by == source.id).copied().collect();
    events.sort_by_key(|event| event.at);
    let is_wait = |kind| matches!(kind, Kind::WaitBegin | Kind::WaitEnd);
    events.retain(|event| is_wait(event.kind));
    events.iter().map(|event| (event.kind, event.cause)).collect()
}

fn poll(source: &Source) -> Poll<Seen> {
    let waker = Waker::from(Arc::new(Nothing));
    source.poll_ready(&mut Context::from_waker(&waker), Direction::Read).map(Result::unwrap)
}

const ONE_WAIT: [(Kind, Cause); 2] = [(Kind::WaitBegin, Cause::Readiness), (Kind::WaitEnd, Cause::Readiness)];

#[test]
fn a_wait_ends_if_the_source_becomes_ready_while_the_task_is_registered() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for others in 0..2 {
        let source = source();
        for _ in 0..others {
            assert!(poll(&source).is_pending());
        }
        let seen = waits(&source, || {
            let waiting = lock(&source.waiting);
            thread::scope(|scope| {
                let polls = scope.spawn(|| poll(&source));
                // The task has found nothing, and is about to take the lock.
                while source.waiters[Direction::Read as usize].load(Relaxed) == 0 {
                    thread::yield_now();
                }
                source.readiness.fetch_or(READABLE, Ordering::Release);
                drop(waiting);
                assert!(polls.join().expect("it does not panic").is_ready());
            });
        });
        assert_eq!(seen, ONE_WAIT, "beside {others} others");
    }
}

#[test]
fn a_wait_that_ends_without_a_session_is_forgotten() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let source = source();
    let begun = waits(&source, || assert!(poll(&source).is_pending()));
    assert_eq!(begun, ONE_WAIT[..1]);
    source.set_readable(&mut Vec::new());
    let Poll::Ready(seen) = poll(&source) else { panic!("it is readable") };
    assert!(source.clear(seen, Direction::Read));
    let next = waits(&source, || {
        assert!(poll(&source).is_pending());
        source.set_readable(&mut Vec::new());
        assert!(poll(&source).is_ready());
    });
    assert_eq!(next, ONE_WAIT);
}
