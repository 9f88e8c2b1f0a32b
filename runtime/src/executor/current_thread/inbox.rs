//! The inbox of the driving thread: tasks and wake-ups from other threads, and the sleep that must not
//! begin, or go on, while something is in the inbox.
//!
//! # Why no wake-up is lost
//!
//! ```text
//!   other thread                            driving thread, before it sleeps
//!   a task in the injector, or woken = true sleeping = true
//!   sleeping? wake the reactor              nothing in the injector, and not woken? sleep in the reactor
//! ```
//!
//! All of this is sequentially consistent, so one of the two sees the other. A wake-up of the reactor that
//! comes before the sleep ends that sleep. If many threads find the driving thread asleep, only one has to
//! wake the reactor: the one that takes `sleeping` back. A thread that comes after it, but before the
//! driving thread says that it is awake, has nothing to do: the driving thread looks at everything before
//! it says again that it sleeps.

use crate::{
    executor::injector::Injector,
    shim::{AtomicBool, Ordering, in_order},
    task::Task,
};
use brigade_handle::linger::Linger;

/// Tasks from other threads, and whether the future of `block_on` was woken.
pub(super) struct Inbox {
    pub(super) injector: Injector,
    /// True if the future of `block_on` was woken.
    woken: AtomicBool,
    /// True if the driving thread sleeps in the reactor, or is about to.
    sleeping: AtomicBool,
    /// How soon other threads wake the driving one.
    pub(super) linger: Linger,
}

/// Says whether the sender has to wake the reactor.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WakeTarget {
    Reactor,
    Nobody,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            injector: Injector::new(),
            woken: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
            linger: Linger::new(),
        }
    }

    /// Sends a task. Gives it back if the executor has ended.
    pub(super) fn send(&self, task: Task) -> Result<WakeTarget, Task> {
        self.injector.push(task)?;
        Ok(self.wake_target())
    }

    /// Requests a poll of the future of `block_on`.
    pub(super) fn wake(&self) -> WakeTarget {
        // SeqCst: see the head of this file. If the future was woken already, the thread that woke it does
        // the rest.
        if self.woken.swap(true, Ordering::SeqCst) { WakeTarget::Nobody } else { self.wake_target() }
    }

    fn wake_target(&self) -> WakeTarget {
        in_order();
        // SeqCst: see the head of this file. Relaxed: only one thread must take it back, and it publishes
        // nothing.
        if !self.sleeping.load(Ordering::SeqCst) {
            return WakeTarget::Nobody;
        }
        self.linger.stamp();
        if self.sleeping.compare_exchange(true, false, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            WakeTarget::Reactor
        } else {
            WakeTarget::Nobody
        }
    }

    /// Marks the future of `block_on` as due without a wake-up. Only the driving thread calls this.
    pub(super) fn set_woken(&self) {
        // Relaxed: only this thread takes it back.
        self.woken.store(true, Ordering::Relaxed);
    }

    /// Tells whether the future of `block_on` was woken since the last call. The caller, the driving
    /// thread, sees what came before that wake-up.
    #[inline]
    pub(super) fn take_woken(&self) -> bool {
        // Acquire pairs with the swap in `wake`.
        self.woken.load(Ordering::Relaxed) && self.woken.swap(false, Ordering::Acquire)
    }

    /// Tells whether the future of `block_on` was woken and has not been polled since.
    pub(super) fn is_woken(&self) -> bool {
        // Relaxed: the caller looks again later.
        self.woken.load(Ordering::Relaxed)
    }

    /// Tells whether the inbox is empty.
    pub(super) fn is_empty(&self) -> bool {
        // SeqCst: see the head of this file.
        self.injector.len() == 0 && !self.woken.load(Ordering::SeqCst)
    }

    /// Announces a sleep of the driving thread. Returns false if there is something to do instead. In
    /// either case a call of `awake` has to follow.
    pub(super) fn may_sleep(&self) -> bool {
        // SeqCst: see the head of this file.
        self.sleeping.store(true, Ordering::SeqCst);
        in_order();
        self.is_empty()
    }

    /// Ends the sleep of the driving thread. From here on its own wake-ups do not wake the reactor.
    pub(super) fn awake(&self) {
        // Relaxed: a thread that still takes it for asleep wakes the reactor in vain.
        self.sleeping.store(false, Ordering::Relaxed);
    }
}

#[cfg(all(loom, test))]
mod models {
    use super::*;
    use crate::{model::Queue, shim};
    use loom::{
        sync::atomic::AtomicUsize,
        thread::{self, Thread},
    };
    use std::{panic::Location, sync::Arc};

    /// The reactor of a model is the thread's own place to park.
    fn wake_reactor(wake_target: WakeTarget, driving: &Thread) {
        if wake_target == WakeTarget::Reactor {
            driving.unpark();
        }
    }

    /// The loop of `core.rs`: until so many tasks have run and `woken` says that it has seen enough. A
    /// wake-up that was lost is a deadlock.
    fn drive(inbox: &Inbox, tasks: usize, mut woken: impl FnMut() -> bool) {
        let (mut ran, mut enough) = (0, false);
        loop {
            if inbox.take_woken() {
                enough = woken();
            }
            if ran == tasks && enough {
                return;
            }
            if let Some(task) = inbox.injector.pop_batch(|_| 0, |_| ()) {
                drop(task.run());
                ran += 1;
            } else {
                if inbox.may_sleep() {
                    shim::park(None);
                }
                inbox.awake();
            }
        }
    }

    #[test]
    fn a_task_sent_while_the_thread_falls_asleep_is_run() {
        loom::model(|| {
            let (inbox, tasks, driving) = (Arc::new(Inbox::new()), Queue::new(), thread::current());
            let handle = tasks.spawn(async { 7 }, Location::caller());
            let (theirs, task) = (inbox.clone(), tasks.pop().expect("it was just spawned"));
            let other = thread::spawn(move || {
                let wake_target = theirs.send(task).unwrap_or_else(|_| panic!("the executor lives"));
                wake_reactor(wake_target, &driving);
            });
            inbox.set_woken();
            drive(&inbox, 1, || true);
            other.join().unwrap();
            assert_eq!(handle.join().unwrap(), 7);
        });
    }

    #[test]
    fn writes_before_a_wake_up_are_seen() {
        loom::model(|| {
            let (inbox, driving) = (Arc::new(Inbox::new()), thread::current());
            let come = Arc::new(AtomicUsize::new(0));
            let (theirs, coming) = (inbox.clone(), come.clone());
            let other = thread::spawn(move || {
                coming.store(1, Ordering::Relaxed);
                wake_reactor(theirs.wake(), &driving);
            });
            drive(&inbox, 0, || {
                assert_eq!(come.load(Ordering::Relaxed), 1);
                true
            });
            other.join().unwrap();
        });
    }

    #[test]
    fn of_two_who_find_the_thread_asleep_one_wakes_the_reactor() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new());
            let (tasks, sending, waking) = (Queue::new(), inbox.clone(), inbox.clone());
            drop(tasks.spawn(async {}, Location::caller()));
            let task = tasks.pop().expect("it was just spawned");
            let sender =
                thread::spawn(move || sending.send(task).unwrap_or_else(|_| panic!("the executor lives")));
            let waker = thread::spawn(move || waking.wake());
            let sleeps = inbox.may_sleep();
            let wake_target = [sender, waker].map(|other| other.join().unwrap());
            if sleeps {
                assert_eq!(
                    wake_target.iter().filter(|&&wake_target| wake_target == WakeTarget::Reactor).count(),
                    1
                );
            }
            inbox.awake();
            inbox.injector.pop_batch(|_| 0, |_| ()).into_iter().for_each(|task| drop(task.run()));
            assert!(inbox.take_woken());
        });
    }
}
