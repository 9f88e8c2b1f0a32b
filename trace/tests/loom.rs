//! A ring that is read while it is written:
//! `RUSTFLAGS="--cfg loom" cargo test -p brigade-trace --test loom --release`.
#![cfg(loom)]

use brigade_trace::{Cause, Event, Id, Kind, Mode, Ring, RingWriter};
use loom::thread;
use std::sync::Arc;

fn event(at: u64) -> Event {
    Event { at, kind: Kind::Wake, subject: Id::from_bits(at), by: Id::NONE, cause: Cause::Timer, detail: at }
}

/// Reads the ring of one event while two (or three) are written to it, and after that.
fn read_while_written(mode: Mode, count: u64, at_last: u64) {
    loom::model(move || {
        let ring = Arc::new(Ring::new(1, mode));
        let mut writer = RingWriter::new(ring.clone());
        let other = thread::spawn(move || (1..=count).for_each(|at| writer.push(event(at))));
        let (seen, missing) = ring.snapshot();
        assert!(seen.iter().all(|seen| *seen == event(seen.at)), "{seen:?}");
        assert!(seen.len() as u64 + missing <= count, "{seen:?} {missing}");
        other.join().unwrap();
        assert_eq!(ring.snapshot(), (vec![event(at_last)], count - 1));
    });
}

#[test]
fn every_event_of_a_ring_that_keeps_the_first_is_read_whole_or_counted_as_dropped() {
    read_while_written(Mode::KeepFirst, 2, 1);
}

#[test]
fn every_event_of_a_ring_that_keeps_the_last_is_read_whole_or_counted_as_dropped() {
    read_while_written(Mode::KeepLast, 3, 3);
}
