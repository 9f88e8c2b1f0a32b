//! Ctrl-C: everything ends at once, the children too, and the terminal is as it was before.
//!
//! A thread of its own waits for the signal. A process that exits drops nothing, so every owner of children
//! is registered here ([`Interruptible`]). The thread drops the owners, which kills and reaps their children,
//! and then exits.

use crate::sys;
use brigade_process::ProcessPool;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// A value that owns child processes, of whatever type.
trait OwnsChildren: Send + Sync {
    /// Ends the children.
    fn end_children(&self);
}

impl<T: Send> OwnsChildren for Mutex<Option<T>> {
    fn end_children(&self) {
        drop(lock(self).take());
    }
}

type ExitHook = fn();

/// Whether the process is about to exit.
static EXITING: AtomicBool = AtomicBool::new(false);
/// Called just before the process exits, in this order: by [`Hook`].
static EXIT_HOOKS: Mutex<[Option<ExitHook>; 2]> = Mutex::new([None; 2]);
/// The owners of children, to be dropped before the process exits.
static REGISTERED: Mutex<Vec<Weak<dyn OwnsChildren>>> = Mutex::new(Vec::new());

/// Starts the thread that waits for Ctrl-C, SIGTERM and SIGHUP. The exit code is 128 plus the number of the
/// signal: 130 for Ctrl-C.
///
/// # Errors
///
/// Fails if the signals cannot be caught, or if the thread cannot be started.
pub fn listen() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let body = move || {
        if let Some(signal) = signals.forever().next() {
            exit(128 + signal);
        }
    };
    thread::Builder::new().name("interrupt".into()).spawn(body)?;
    Ok(())
}

/// Starts the thread that ends the program as SIGHUP does when the terminal of its input is gone. The signal
/// itself goes to the terminal's shell alone, and a shell that ignores it does not pass it on.
///
/// # Errors
///
/// Fails if the thread cannot be started.
pub fn exit_with_terminal() -> io::Result<()> {
    let body = || {
        if sys::wait_until_hung_up(io::stdin().as_fd()).is_ok() {
            exit(128 + SIGHUP);
        }
    };
    thread::Builder::new().name("terminal".into()).spawn(body).map(drop)
}

/// The parts of the program that have something to do before the process exits on a signal.
#[derive(Clone, Copy, Debug)]
pub enum Hook {
    /// The terminal is given back as it was.
    Terminal,
    /// The recording of the run is written.
    Recording,
}

/// Has `call` called before the process exits on a signal. A later call for the same part replaces it.
pub fn on_exit(hook: Hook, call: ExitHook) {
    lock(&EXIT_HOOKS)[hook as usize] = Some(call);
}

/// Ends the children, restores the terminal, and exits.
pub fn exit(code: i32) -> ! {
    // Release: a thread that finds its pool gone also sees this flag (Acquire in `park_if_exiting`).
    EXITING.store(true, Ordering::Release);
    for owner in lock(&REGISTERED).drain(..).filter_map(|owner| owner.upgrade()) {
        owner.end_children();
    }
    let hooks = *lock(&EXIT_HOOKS);
    hooks.into_iter().flatten().for_each(|hook| hook());
    let mut terminal = io::stderr();
    if terminal.is_terminal() {
        // Go to the beginning of the line, clear it, show the cursor.
        let _ = terminal.write_all(b"\r\x1b[2K\x1b[?25h").and_then(|()| terminal.flush());
    }
    process::exit(code)
}

/// Parks this thread for ever if the process is about to exit, because its further results would mean
/// nothing.
pub fn park_if_exiting() {
    while EXITING.load(Ordering::Acquire) {
        thread::park();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No panic can leave the data under these locks half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An owner of child processes, such as a process pool. Ctrl-C drops it before the program exits.
#[derive(Debug)]
pub struct Interruptible<T = ProcessPool>(Arc<Mutex<Option<T>>>);

impl<T: Send + 'static> Interruptible<T> {
    /// Registers the owner.
    pub fn new(value: T) -> Self {
        let owner = Arc::new(Mutex::new(Some(value)));
        let mut registered = lock(&REGISTERED);
        registered.retain(|owner| owner.strong_count() > 0);
        let weak: Weak<Mutex<Option<T>>> = Arc::downgrade(&owner);
        registered.push(weak);
        drop(registered);
        Self(owner)
    }

    /// Takes the owner out, for a caller that ends it in the usual way.
    pub fn take(self) -> T {
        let value = lock(&self.0).take();
        value.unwrap_or_else(|| Self::await_exit())
    }

    /// Uses the owner. `f` must not wait: Ctrl-C could not drop the owner meanwhile.
    pub fn with_mut<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let mut owner = lock(&self.0);
        let Some(value) = &mut *owner else {
            drop(owner);
            Self::await_exit();
        };
        f(value)
    }

    /// Parks this thread: the owner is gone, so another thread is about to exit the process.
    fn await_exit() -> ! {
        park_if_exiting();
        unreachable!("only `exit` and `take` take the owner out, and `take` is the last call");
    }
}

impl Interruptible {
    /// Uses the pool. `f` must not wait for results: Ctrl-C could not end the pool meanwhile.
    pub fn with<R>(&self, f: impl FnOnce(&ProcessPool) -> R) -> R {
        self.with_mut(|pool| f(pool))
    }

    /// Ends the pool after it has answered all its calls.
    pub fn shutdown(self) {
        self.take().shutdown();
    }
}
