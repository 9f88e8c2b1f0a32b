//! Adaptive spin: a thread that joins a call looks after the lanes for a few microseconds. This saves two
//! wake-ups for a short call.

use super::{Mover, Orders, PoolState, Shared, finish};
use crate::{call::Done, wire::ring};
use brigade_handle::wait;
use brigade_trace::clock;
use std::{
    cell::RefCell,
    hint::spin_loop,
    mem,
    sync::{Arc, MutexGuard, atomic::Ordering},
    time::{Duration, Instant},
};

/// The longest time that a joiner looks for its answer before it sleeps, in microseconds: about the cost of
/// two wake-ups.
pub(super) const MAX_SPIN_MICROS: u32 = 60;
/// The shortest time, in microseconds.
const MIN_SPIN_MICROS: u32 = 2;

thread_local! {
    /// The answers that this thread has fetched and not delivered: a list for each
    /// [`deliver`](Shared::deliver) that runs, the innermost last. The next answer is the last of its list.
    static FETCHED: RefCell<Vec<(Arc<Shared>, Done)>> = const { RefCell::new(Vec::new()) };
}

/// The end of a joiner's look at the lanes.
struct SpinEnd<'a> {
    state: MutexGuard<'a, PoolState>,
    /// The joiner gave a lane a call that the supervisor must see to, such as one whose deadline is earlier
    /// than the supervisor's.
    needs_supervisor: bool,
}

/// Hands over to the supervisors the answers that this thread has fetched and not delivered.
fn hand_over() {
    // A thread whose locals are gone holds nothing back.
    let take = |fetched: &RefCell<Vec<(Arc<Shared>, Done)>>| {
        let mut lists = fetched.borrow_mut();
        let full = lists.iter_mut().filter(|(_, list)| !list.is_empty());
        full.map(|(shared, list)| (shared.clone(), mem::take(list))).collect::<Vec<_>>()
    };
    let lists = FETCHED.try_with(take).unwrap_or_default();
    // A forked child leaves to its parent what the parent's thread has fetched.
    for (shared, list) in lists.into_iter().filter(|(shared, _)| !shared.is_forked()) {
        shared.tell(|state| state.fetched.extend(list.into_iter().rev()));
    }
}

impl Shared {
    /// Looks for answers on behalf of a thread that waits, for a few microseconds or until `is_over`.
    ///
    /// The thread completes handles only after it has left the lanes to others again. It runs foreign code
    /// then, which may take its time, or wait for another call of this pool.
    pub(crate) fn spin_for_answers(self: &Arc<Self>, is_over: &dyn Fn() -> bool) {
        if self.is_forked() {
            return;
        }
        hand_over();
        let mut done = Done::new();
        // Relaxed: a guess.
        let spin_micros = self.spin_micros.load(Ordering::Relaxed);
        let most = self.busy_poll.unwrap_or(Duration::from_micros(spin_micros.into()));
        let end = clock::after(clock::now(), most);
        let (mut helped, mut spun) = (is_over(), false);
        while !helped && clock::now() < end && self.begin_spin() {
            spun = true;
            let look = self.look(end, is_over, &mut done);
            self.leave(look, &mut done);
            if self.deliver(&mut done) {
                self.mapped();
            }
            helped = is_over();
        }
        if spun || helped {
            let next = if helped {
                (spin_micros * 2).min(MAX_SPIN_MICROS)
            } else {
                (spin_micros / 2).max(MIN_SPIN_MICROS)
            };
            self.spin_micros.store(next, Ordering::Relaxed);
        }
    }

    /// Does what [`finish`] does, on a thread of the user's. Foreign code that waits there may wait for an
    /// answer behind its own: so the rest is handed over before the thread sleeps.
    fn deliver(self: &Arc<Self>, done: &mut Done) -> bool {
        if done.len() < 2 {
            return finish(done);
        }
        let begin = |fetched: &RefCell<Vec<_>>| {
            done.reverse();
            fetched.borrow_mut().push((self.clone(), mem::take(done)));
        };
        if FETCHED.try_with(begin).is_err() {
            return finish(done);
        }
        let _owing = wait::owe(hand_over);
        let mut has_mapped = false;
        while let Some(next) = FETCHED.with_borrow_mut(|fetched| fetched.last_mut()?.1.pop()) {
            done.push(next);
            has_mapped |= finish(done);
        }
        FETCHED.with_borrow_mut(Vec::pop);
        has_mapped
    }

    /// Takes the lanes over from the supervisor. False if another thread has them, or if there are none.
    fn begin_spin(&self) -> bool {
        let mut state = self.lock();
        let begins = !state.lanes.is_empty() && state.attention.begin();
        if begins {
            state.silence();
        }
        begins
    }

    /// Looks until there are answers, the time is over, or somebody else has brought the awaited answer.
    fn look(&self, end: Instant, is_over: &dyn Fn() -> bool, done: &mut Done) -> SpinEnd<'_> {
        let mut needs_supervisor = false;
        loop {
            for _ in 0..20 {
                spin_loop();
            }
            let mut state = self.lock();
            let found = state.harvest(done);
            if found {
                needs_supervisor |= state.dispatch(Mover::Anybody);
                state.take_cancelled(done);
            }
            if found || !done.is_empty() || is_over() || clock::now() >= end {
                return SpinEnd { state, needs_supervisor };
            }
        }
    }

    /// Hands the lanes back to the supervisor, and wakes it if it must see to something.
    fn leave(&self, SpinEnd { mut state, mut needs_supervisor }: SpinEnd<'_>, done: &mut Done) {
        // A supervisor that is awake looks at everything before it sleeps.
        if state.attention.end() {
            while !state.arm(ring::BellMode::EachAnswer) {
                state.harvest(done);
            }
            // One such thing is to end the workers whose last answer was fetched here.
            needs_supervisor |= state.orders != Orders::Work
                || state.lanes.iter().any(|lane| lane.fault.is_some() || lane.parting);
            needs_supervisor |= state.dispatch(Mover::Anybody);
            state.take_cancelled(done);
            if needs_supervisor {
                let ring = state.attention.call();
                drop(state);
                if ring {
                    self.bell.ring();
                }
            }
        }
    }

    /// Tells the supervisor that blocks were mapped: a worker that waited for that may go.
    #[cold]
    fn mapped(&self) {
        let mut state = self.lock();
        let ring = state.lanes.iter().any(|lane| lane.parting) && state.attention.call();
        drop(state);
        if ring {
            self.bell.ring();
        }
    }
}
