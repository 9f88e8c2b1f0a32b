//! Which threads must wake the supervisor.

use super::state::{Mover, PoolState};
use crate::{
    call::{Call, Content},
    parent::lane::{Lane, tests::Nobody},
    wire::ring::{INLINE_BYTES, WIDE_PLACES},
};
use std::sync::Arc;

/// An argument that lies in a wide place of the ring, or goes over the socket if none is free.
fn wide_call() -> Call {
    Call::new(0, Content::One(vec![7; 2 * INLINE_BYTES]), Arc::new(Nobody))
}

fn open_lane() -> Lane {
    let mut lane = Lane::new().unwrap().1;
    lane.open = true;
    lane
}

#[test]
fn a_call_that_finds_no_wide_place_needs_the_supervisor() {
    let mut state = PoolState::new(1);
    state.lanes.push(open_lane());
    for _ in 0..WIDE_PLACES {
        state.queue.push_back(wide_call());
        assert!(!state.dispatch(Mover::Anybody), "it lies in the ring");
    }
    state.queue.push_back(wide_call());
    assert!(state.dispatch(Mover::Anybody), "it is to be sent");
    assert!(state.has_outgoing());
}

#[test]
fn a_call_that_is_moved_to_another_lane_may_need_the_supervisor() {
    let mut state = PoolState::new(2);
    state.lanes.push(open_lane());
    state.queue.extend((0..4 * WIDE_PLACES).map(|_| wide_call()));
    assert!(state.dispatch(Mover::Anybody));
    // The supervisor has sent what there was.
    state.lanes[0].outgoing.clear();
    state.lanes.push(open_lane());
    assert!(state.dispatch(Mover::Anybody), "half of the calls are moved, more than the ring has places for");
}
