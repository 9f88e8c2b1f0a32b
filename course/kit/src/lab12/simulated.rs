//! Simulated children: threads of a run, which can be killed between any two of their steps.
//!
//! A killed child's thread ends at its next operation on the channel. Nobody sees what it computes until
//! then. Bytes that it had written before can still be read, as from a real socket.

use super::{
    Note, Serve, Started,
    answers::call_of,
    doubled, expect_few_children,
    launcher::{Channel, End, Manner},
};
use crate::{
    log::{Log, broken, demand},
    thread,
};
use brigade_explore::{
    handle::explore::{Kind, pick, point},
    thread::{Thread, current, park},
};
use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The children of a simulated pool.
#[derive(Clone)]
pub(super) struct Simulation {
    log: Log<Note>,
    serve: Serve,
    manners: Vec<Manner>,
    started: Started<StartedChild>,
}

/// A child and its thread, which is missing while it is being started.
type StartedChild = (Arc<Simulated>, Option<thread::JoinHandle<()>>);

struct Simulated {
    number: usize,
    log: Log<Note>,
    // No choice point lies under this lock, so it can be std's.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    to_child: Flow,
    to_pool: Flow,
    life: Life,
    /// The threads that wait for a change.
    waiting: Vec<Thread>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Life {
    #[default]
    Runs,
    /// It is dead, and its number is still its own.
    Zombie,
    Reaped,
}

/// A direction of the channel.
#[derive(Default)]
struct Flow {
    bytes: VecDeque<u8>,
    is_ended: bool,
}

/// The pool's handle to a child.
pub(super) struct SimulatedChild(Arc<Simulated>);

/// A side of the channel to a child.
pub(super) struct Side {
    child: Arc<Simulated>,
    is_pool: bool,
}

/// The payload by which a killed thread unwinds.
struct Killed;

impl Simulated {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the child, if it runs. Returns whether it did.
    fn end(&self, note: Note) -> bool {
        let mut state = self.lock();
        if state.life != Life::Runs {
            return false;
        }
        state.life = Life::Zombie;
        state.to_pool.is_ended = true;
        drop(state);
        self.log.note(note);
        self.wake();
        true
    }

    fn wake(&self) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        waiting.iter().for_each(Thread::unpark);
    }
}

impl Simulation {
    pub(super) fn new(log: &Log<Note>, serve: Serve, manners: &[Manner]) -> Self {
        Self { log: log.clone(), serve, manners: manners.to_vec(), started: Started::default() }
    }

    fn started(&self) -> MutexGuard<'_, Vec<StartedChild>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn launch(&self) -> (SimulatedChild, Side) {
        point();
        let mut started = self.started();
        let number = started.len();
        expect_few_children(number + 1);
        self.log.note(Note::Start(number));
        let state = Mutex::new(State::default());
        let child = Arc::new(Simulated { number, log: self.log.clone(), state });
        started.push((child.clone(), None));
        // A spawn is a choice point.
        drop(started);
        let (theirs, simulation, manner) = (child.clone(), self.clone(), self.manners.get(number).copied());
        let thread =
            thread::spawn_named(&format!("child {number}"), move || simulation.live(&theirs, manner));
        self.started()[number].1 = Some(thread);
        (SimulatedChild(child.clone()), Side { child, is_pool: true })
    }

    /// The life of a child.
    fn live(&self, child: &Arc<Simulated>, manner: Option<Manner>) {
        let channel = Channel(End::Simulated(Side { child: child.clone(), is_pool: false }));
        let function = |input: &[u8]| {
            child.log.note(Note::Run(call_of(input)));
            doubled(input)
        };
        let lived = catch_unwind(AssertUnwindSafe(|| match manner {
            Some(Manner::Garbage) => answer_with_garbage(&channel),
            _ => (self.serve)(&channel, &function),
        }));
        child.end(Note::End(child.number));
        if let Err(payload) = lived
            && !payload.is::<Killed>()
        {
            resume_unwind(payload);
        }
    }

    /// Kills a child, as another process would.
    pub(super) fn murder(&self, number: usize) {
        point();
        let child = self.started().get(number).map(|(child, _)| child.clone());
        if let Some(child) = child {
            child.end(Note::Murder(number));
        }
    }

    pub(super) fn check(&self) {
        let started = std::mem::take(&mut *self.started());
        for (child, thread) in started {
            let life = child.lock().life;
            demand(life == Life::Reaped, "zombie", "each child has ended and is reaped", || {
                let state = if life == Life::Runs { "still runs" } else { "is a zombie" };
                format!("child {} {state}", child.number)
            });
            let thread = thread.expect("a child that is reaped was started");
            thread.join().unwrap_or_else(|payload| resume_unwind(payload));
        }
    }
}

/// Waits for a call, and answers with bytes that are no frame. Then it waits for the end.
fn answer_with_garbage(channel: &Channel) {
    let mut place = [0; 64];
    if channel.read(&mut place).is_ok_and(|count| count > 0) {
        let mut rest = &b"Segmentation fault in the middle of the soup. Core dumped to nowhere."[..];
        while let Ok(count) = channel.write(rest) {
            rest = &rest[count..];
            if rest.is_empty() {
                break;
            }
        }
    }
    while channel.read(&mut place).is_ok_and(|count| count > 0) {}
}

impl SimulatedChild {
    pub(super) fn kill(&self) {
        point();
        let is_reaped = self.0.lock().life == Life::Reaped;
        demand(!is_reaped, "stranger", "a child is not killed after it was reaped", || {
            format!("the number of child {} may be another process by now", self.0.number)
        });
        self.0.end(Note::Kill(self.0.number));
    }

    pub(super) fn wait(&self) {
        loop {
            point();
            let mut state = self.0.lock();
            match state.life {
                Life::Runs => state.waiting.push(current()),
                Life::Zombie => {
                    state.life = Life::Reaped;
                    drop(state);
                    return self.0.log.note(Note::Reap(self.0.number));
                }
                Life::Reaped => {
                    let happened = format!("child {} is reaped again", self.0.number);
                    broken("stranger", "a child is reaped once", &happened);
                }
            }
            drop(state);
            park();
        }
    }
}

impl Side {
    /// Takes the lock, unless this side is that of a dead child: then its thread ends.
    fn state(&self) -> MutexGuard<'_, State> {
        point();
        let state = self.child.lock();
        if !self.is_pool && state.life != Life::Runs {
            drop(state);
            resume_unwind(Box::new(Killed));
        }
        state
    }

    pub(super) fn read(&self, place: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut state = self.state();
            let flow = if self.is_pool { &mut state.to_pool } else { &mut state.to_child };
            let most = place.len().min(flow.bytes.len());
            if most > 0 {
                let count = transferred(most);
                place.iter_mut().zip(flow.bytes.drain(..count)).for_each(|(place, byte)| *place = byte);
                return Ok(count);
            }
            if flow.is_ended || place.is_empty() {
                return Ok(0);
            }
            state.waiting.push(current());
            drop(state);
            park();
        }
    }

    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        let is_dead = state.life != Life::Runs;
        let flow = if self.is_pool { &mut state.to_child } else { &mut state.to_pool };
        if is_dead || flow.is_ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = if bytes.is_empty() { 0 } else { transferred(bytes.len()) };
        flow.bytes.extend(&bytes[..count]);
        drop(state);
        self.child.wake();
        Ok(count)
    }

    pub(super) fn close(&self) {
        let mut state = self.state();
        let flow = if self.is_pool { &mut state.to_child } else { &mut state.to_pool };
        flow.is_ended = true;
        drop(state);
        self.child.wake();
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // A child's side ends with its life.
        if self.is_pool {
            self.child.lock().to_child.is_ended = true;
            self.child.wake();
        }
    }
}

/// Chooses how many of so many bytes a call transfers: all, one, or half.
fn transferred(most: usize) -> usize {
    let mut ways = vec![most, 1, most / 2];
    ways.retain(|&way| way > 0);
    ways.dedup();
    ways[pick(Kind::Length, ways.len())]
}
