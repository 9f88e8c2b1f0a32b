//! Tests of what a lane finds ripe, and of taking calls back.

use super::*;
use crate::{
    call::{Caller, Content},
    wire::ring::Claim,
};
use std::sync::Arc;

pub(crate) struct Nobody;

impl Caller for Nobody {
    fn start(&self) -> bool {
        true
    }
    fn is_wanted(&self) -> bool {
        true
    }

    fn put_back(&self) -> bool {
        true
    }
    fn address(&self) -> usize {
        0
    }
    fn finish(&self, _first: usize, _count: usize, _answer: Answer) {}
    fn id(&self) -> Id {
        Id::NONE
    }
}

fn call(name: u64) -> Call {
    Call::new(name, Content::One(Vec::new()), Arc::new(Nobody))
}

fn lane_with(calls: u64) -> Lane {
    let mut lane = Lane::new().unwrap().1;
    lane.open = true;
    for name in 0..calls {
        lane.give(call(name));
    }
    lane
}

/// The worker's side of a call.
fn work(lane: &Lane, number: u64) -> Claim {
    let claim = lane.ring().claim(number);
    if claim == Claim::Mine {
        let head = Head { kind: Kind::Value as u8, place: Place::Inline, length: 0, name: 0 };
        lane.ring().finish(number, head, &[]);
    }
    lane.ring().advance(number + 1);
    claim
}

#[test]
fn an_answer_behind_a_withdrawn_call_is_ripe() {
    let mut lane = lane_with(2);
    assert_eq!(lane.reclaim_half().len(), 1);
    lane.give(call(2));
    let mut done = Done::new();
    assert_eq!(work(&lane, 1), Claim::Mine);
    assert!(lane.harvest(&mut done));
    assert!(!lane.is_ripe(), "the worker has not skipped call 2");
    assert_eq!([work(&lane, 2), work(&lane, 3)], [Claim::Withdrawn, Claim::Mine]);
    assert!(lane.is_ripe());
    assert!(lane.harvest(&mut done));
    assert_eq!((done.len(), lane.load()), (2, 0));
}

#[test]
fn a_skipped_call_is_ripe_so_that_its_worker_is_found_idle() {
    let mut lane = lane_with(1);
    assert!(lane.reclaim(|_| true).is_some());
    assert!(!lane.is_ripe());
    assert_eq!(work(&lane, 1), Claim::Withdrawn);
    assert!(lane.is_ripe());
    assert!(!lane.harvest(&mut Done::new()), "there is no answer");
    assert_eq!(lane.load(), 0);
}
