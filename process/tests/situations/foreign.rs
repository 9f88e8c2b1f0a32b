//! A user's code on the supervisor's thread: decoders, wakers and destructors, which may panic, wait, or
//! need much of the stack.

use crate::{
    gate::{Gate, wait_at},
    path::pool,
    sys,
};
use brigade_handle::CancelHandle;
use brigade_process::{JoinError, JoinHandle, ProcessPool};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    task::{Wake, Waker},
    thread,
};

/// Waits until the supervisor has completed the handle, without helping it.
fn leave_to_the_supervisor<T>(handle: &JoinHandle<T>) {
    while !handle.is_finished() {
        thread::yield_now();
    }
}

/// A value whose decoder waits for the handle that was left here.
#[derive(Debug)]
struct Waits(u32);

static LEFT: Mutex<Option<JoinHandle<u32>>> = Mutex::new(None);

impl Serialize for Waits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}

impl<'de> Deserialize<'de> for Waits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let own = u32::deserialize(deserializer)?;
        let left = LEFT.lock().unwrap().take();
        Ok(Self(own + left.map_or(0, |handle| handle.join().unwrap())))
    }
}

pub(crate) fn a_decoder_that_waits_on_the_supervisor_is_refused() {
    let procs = pool(1);
    let gate = Gate::new();
    let running = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let first = procs.spawn(|n: u32| Waits(n), 1);
    *LEFT.lock().unwrap() = Some(procs.spawn(|n: u32| n, 2));
    drop(waiting);
    leave_to_the_supervisor(&first);
    let error = first.join().unwrap_err();
    let told = error.panic_message().unwrap();
    assert!(told.contains("supervisor") && told.contains("await the handle"), "{told}");
    assert_eq!(running.join().unwrap(), gate.port());
    assert_eq!(procs.spawn(|n: u32| n, 3).join().unwrap(), 3, "the pool goes on");
}

pub(crate) fn a_decoder_may_wait_on_a_thread_of_its_own() {
    for _ in 0..50 {
        let procs = pool(2);
        let first = procs.spawn(|n: u32| Waits(n), 1);
        *LEFT.lock().unwrap() = Some(procs.spawn(|n: u32| n, 2));
        // The joiner may decode by itself, or the supervisor has done it.
        match first.join() {
            Ok(Waits(3 | 1)) => {}
            Ok(Waits(other)) => panic!("{other}"),
            Err(error) => assert!(error.panic_message().unwrap().contains("supervisor"), "{error}"),
        }
        LEFT.lock().unwrap().take();
        procs.shutdown();
    }
}

/// A waker that waits for a call of its own pool, and reports the panic's message.
struct Joins(Mutex<Option<JoinHandle<u32>>>, mpsc::Sender<Option<String>>);

impl Wake for Joins {
    fn wake(self: Arc<Self>) {
        let handle = self.0.lock().unwrap().take().unwrap();
        let joined = catch_unwind(AssertUnwindSafe(|| handle.join()));
        let told = joined.err().and_then(|payload| payload.downcast_ref::<String>().cloned());
        self.1.send(told).unwrap();
    }
}

pub(crate) fn a_waker_that_waits_on_the_supervisor_is_told_what_to_do() {
    let procs = pool(1);
    let gate = Gate::new();
    let mut running = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let (told, heard) = mpsc::channel();
    let behind = procs.spawn(|n: u32| n, 2);
    let waker = Waker::from(Arc::new(Joins(Mutex::new(Some(behind)), told)));
    assert!(Pin::new(&mut running).poll_join(&waker).is_pending());
    drop(waiting);
    let told = heard.recv().unwrap().expect("it was refused");
    assert!(told.contains("supervisor") && told.contains("await the handle"), "{told}");
    assert_eq!(procs.spawn(|n: u32| n, 3).join().unwrap(), 3, "the pool goes on");
}

/// A value that takes three quarters of the main thread's stack to decode, as a deeply nested value does.
struct Deep;

impl Serialize for Deep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Deep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stack = [1_u8; 6 << 20];
        black_box(&stack);
        <()>::deserialize(deserializer).map(|()| Self)
    }
}

pub(crate) fn the_supervisor_decodes_what_the_main_thread_could() {
    let procs = pool(1);
    let gate = Gate::new();
    let deep = |port: u16| {
        wait_at(port);
        Deep
    };
    let handle = procs.spawn(deep, gate.port());
    drop(gate.arrival());
    leave_to_the_supervisor(&handle);
    assert!(handle.join().is_ok());
}

/// A waker whose destructor uses the pool.
struct UsesPool(Arc<ProcessPool>, mpsc::Sender<u32>);

impl Wake for UsesPool {
    fn wake(self: Arc<Self>) {}
}

impl Drop for UsesPool {
    fn drop(&mut self) {
        let handle = self.0.spawn(|n: u32| n, 7);
        handle.cancel();
        self.1.send(self.0.statistics().workers.len() as u32).unwrap();
        panic!("a destructor that panics");
    }
}

pub(crate) fn a_cancelled_calls_waker_is_dropped_where_it_may_use_the_pool() {
    let procs = Arc::new(pool(1));
    let gate = Gate::new();
    let running = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let (told, heard) = mpsc::channel();
    for _ in 0..3 {
        let mut queued = procs.call(|n: u32| n, 1).kill_on_cancel().spawn();
        let waker = Waker::from(Arc::new(UsesPool(procs.clone(), told.clone())));
        assert!(Pin::new(&mut queued).poll_join(&waker).is_pending());
        drop(waker);
        // The pool's queue holds the call, and with it the waker, longest.
        queued.cancel();
        drop(queued);
    }
    drop(waiting);
    assert_eq!(running.join().unwrap(), gate.port());
    for _ in 0..3 {
        assert_eq!(heard.recv().unwrap(), 1);
    }
    assert_eq!(procs.spawn(|n: u32| n, 2).join().unwrap(), 2);
    drop(procs);
    while !sys::has_no_child() {
        thread::yield_now();
    }
}

/// A result that, where it was decoded, cancels its own map when it is dropped, and panics.
struct Spiteful {
    is_decoded: bool,
}

/// How many of them were decoded.
static SPITEFUL: AtomicU32 = AtomicU32::new(0);
/// Their map.
static THEIR_MAP: Mutex<Option<CancelHandle>> = Mutex::new(None);

impl Serialize for Spiteful {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Spiteful {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer)?;
        SPITEFUL.fetch_add(1, Ordering::Relaxed);
        Ok(Self { is_decoded: true })
    }
}

impl Drop for Spiteful {
    fn drop(&mut self) {
        if self.is_decoded {
            let map = THEIR_MAP.lock().unwrap().clone();
            map.unwrap().cancel();
            resume_unwind(Box::new("a spiteful result"));
        }
    }
}

pub(crate) fn a_map_is_cancelled_whose_results_panic_when_they_are_dropped() {
    let procs = pool(1);
    let gate = Gate::new();
    let wait_at_some = |port: u16| {
        if port > 0 {
            wait_at(port);
        }
        Spiteful { is_decoded: false }
    };
    SPITEFUL.store(0, Ordering::Relaxed);
    let inputs = (0..200).map(|n| if n < 199 { 0 } else { gate.port() });
    let map = procs.spawn_map(wait_at_some, inputs);
    *THEIR_MAP.lock().unwrap() = Some(map.cancel_handle());
    let _waiting = gate.arrival();
    // The first results were answered before the last call began.
    while SPITEFUL.load(Ordering::Relaxed) < 20 {
        thread::yield_now();
    }
    map.cancel();
    assert!(matches!(map.join(), Err(JoinError::Cancelled(_))));
}
