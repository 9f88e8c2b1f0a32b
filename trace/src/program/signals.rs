//! The thread of recordings: it waits for signals and for other reasons to write a dump.
//!
//! A signal handler may write no file, nor may a thread that records an event. So they ring a bell: a byte
//! in a socket pair, whose other end this thread reads. A handler that the program installs later takes the
//! place of ours. If it calls ours as well, the thread finds that the signal is no longer ours, and does
//! nothing.

use super::{
    files::{dump_all, write_all},
    panics, sys,
};
use crate::{
    limits::{self, Limits},
    live::threads,
};
use brigade_handle::{contain, fork::PerProcess};
use std::{
    io::{self, ErrorKind, Read},
    os::unix::net::UnixStream,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The name of the thread.
pub(super) const THREAD: &str = "brigade-trace";

/// The byte that has the thread look at the limits. No signal has this number.
const LIMITS: u8 = 0;
/// The byte that has it dump a panic.
const PANIC: u8 = u8::MAX;

#[derive(Default)]
struct Orders {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How often the thread is to look at the limits.
    interval: Option<Duration>,
    /// The panics that were told, and those that were dumped.
    panics: u64,
    dumped: u64,
}

static ORDERS: PerProcess<Orders> = PerProcess::new();

impl Orders {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic leaves no change in here half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn orders() -> &'static Orders {
    ORDERS.get_or_init(Orders::default)
}

/// Starts the thread, if this process has none, and catches the signals that the program does not handle.
pub(super) fn listen() -> io::Result<()> {
    static LISTENING: PerProcess<()> = PerProcess::new();
    LISTENING.get_or_try_init(|| {
        let (ours, theirs) = UnixStream::pair()?;
        threads::spawn(THREAD, move || serve(ours))?;
        sys::set_bell(theirs);
        sys::ENDING.into_iter().chain([sys::DUMP]).for_each(sys::catch);
        io::Result::Ok(())
    })?;
    Ok(())
}

/// Watches for runs and waits that last longer than this from now on.
pub(super) fn watch(limits: Limits) {
    orders().lock().interval = limits.interval();
    limits::set(limits, || sys::ring(LIMITS));
    // The thread sleeps with the old interval.
    sys::ring(LIMITS);
}

/// Has the thread dump a panic, if that is wanted, and waits until it has, but not for longer than this.
pub(super) fn dump_panic(timeout: Duration) {
    let orders = orders();
    let mut state = orders.lock();
    state.panics += 1;
    let number = state.panics;
    sys::ring(PANIC);
    let waits = |state: &mut State| state.dumped < number;
    drop(orders.changed.wait_timeout_while(state, timeout, waits));
}

fn serve(mut bell: UnixStream) {
    crate::live::helper_thread();
    let mut byte = [0];
    loop {
        // A timeout that cannot be set is none.
        let _ = bell.set_read_timeout(orders().lock().interval);
        match bell.read(&mut byte) {
            Ok(1) => contain(|| answer(byte[0])),
            Err(error) if error.kind() == ErrorKind::WouldBlock => contain(|| answer(LIMITS)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

fn answer(byte: u8) {
    let signal = i32::from(byte);
    if byte == LIMITS {
        limits::overdue().into_iter().for_each(|reason| dump_all(&reason));
    } else if byte == PANIC {
        let number = orders().lock().panics;
        panics::reason().into_iter().for_each(dump_all);
        orders().lock().dumped = number;
        orders().changed.notify_all();
    } else if signal == sys::DUMP {
        dump_all("SIGUSR1 came");
    } else if sys::ENDING.contains(&signal) && sys::is_ours(signal) {
        contain(write_all);
        sys::die_of(signal);
    }
}
