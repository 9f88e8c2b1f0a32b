//! A ring that is read while it is written:
//! `RUSTFLAGS="--cfg loom" cargo test -p brigade-trace --test loom --release`.
#![cfg(loom)]

use brigade_trace::{Cause, Event, Id, Kind, Ring};
use loom::{sync::Arc, thread};

fn event(at: u64) -> Event {
    Event { at, kind: Kind::Wake, subject: Id::NONE, by: Id::NONE, cause: Cause::Timer, detail: at }
}

#[test]
fn every_event_is_read_whole_or_counted_as_dropped() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(1));
        let writer = ring.clone();
        let other = thread::spawn(move || (1..=2).for_each(|at| writer.push(event(at))));
        let mut seen = ring.drain();
        other.join().unwrap();
        seen.extend(ring.drain());
        assert!(seen.iter().all(|seen| *seen == event(seen.at)), "{seen:?}");
        assert_eq!(seen.len() as u64 + ring.dropped(), 2);
    });
}
