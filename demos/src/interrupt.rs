//! Ctrl-C: everything ends at once, the children too, and the terminal is as it was.
//!
//! A thread of ours waits for the signal. What has children is known here ([`Interruptible`]), since a process that exits drops
//! nothing: the thread drops them, which kills and reaps their children, and then exits.

use brigade_process::ProcessPool;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    io::{self, IsTerminal, Write},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// What holds children, whatever kind.
trait OwnsChildren: Send + Sync {
    /// Ends the children.
    fn end_children(&self);
}

impl<T: Send> OwnsChildren for Mutex<Option<T>> {
    fn end_children(&self) {
        drop(lock(self).take());
    }
}

static EXITING: AtomicBool = AtomicBool::new(false);
static EXIT_HOOK: Mutex<Option<fn()>> = Mutex::new(None);
static REGISTERED: Mutex<Vec<Weak<dyn OwnsChildren>>> = Mutex::new(Vec::new());

/// From now on, Ctrl-C ends the program as described above, with exit code 130 (128 and the signal's number).
///
/// # Errors
///
/// If the signal cannot be caught.
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

/// Has this called before the process exits on a signal: it gives back what belongs to others. The last one counts.
pub fn on_exit(hook: fn()) {
    *lock(&EXIT_HOOK) = Some(hook);
}

/// Ends the children, puts the terminal right, and exits.
pub fn exit(code: i32) -> ! {
    // Release: whoever sees that a pool is gone also sees why (Acquire in `park_if_exiting`).
    EXITING.store(true, Ordering::Release);
    for owner in lock(&REGISTERED).drain(..).filter_map(|owner| owner.upgrade()) {
        owner.end_children();
    }
    let hook = *lock(&EXIT_HOOK);
    if let Some(hook) = hook {
        hook();
    }
    let mut terminal = io::stderr();
    if terminal.is_terminal() {
        // To the line's beginning, clear it, show the cursor.
        let _ = terminal.write_all(b"\r\x1b[2K\x1b[?25h").and_then(|()| terminal.flush());
    }
    process::exit(code)
}

/// Parks this thread for ever if the process is about to exit: the results that it gets from now on are none.
pub fn park_if_exiting() {
    while EXITING.load(Ordering::Acquire) {
        thread::park();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can be left half done by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something with children, such as a process pool, whose children do not outlive Ctrl-C.
#[derive(Debug)]
pub struct Interruptible<T = ProcessPool>(Arc<Mutex<Option<T>>>);

impl<T: Send + 'static> Interruptible<T> {
    /// From now on, Ctrl-C drops it before the program exits.
    pub fn new(value: T) -> Self {
        let place = Arc::new(Mutex::new(Some(value)));
        let mut places = lock(&REGISTERED);
        places.retain(|place| place.strong_count() > 0);
        let known: Weak<Mutex<Option<T>>> = Arc::downgrade(&place);
        places.push(known);
        drop(places);
        Self(place)
    }

    /// Takes it back, for a caller who ends it in the usual way.
    pub fn take(self) -> T {
        let value = lock(&self.0).take();
        value.unwrap_or_else(|| Self::await_exit())
    }

    /// Uses it. `f` must not wait: it could not be ended meanwhile.
    pub fn with_mut<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let mut place = lock(&self.0);
        let Some(value) = &mut *place else {
            drop(place);
            Self::await_exit();
        };
        f(value)
    }

    /// Empty means that the process is about to exit, on another thread.
    fn await_exit() -> ! {
        park_if_exiting();
        unreachable!("only `exit` and `take` empty the place, and `take` is the last call");
    }
}

impl Interruptible {
    /// Uses the pool. `f` must not wait for results: the pool could not be ended meanwhile.
    pub fn with<R>(&self, f: impl FnOnce(&ProcessPool) -> R) -> R {
        self.with_mut(|pool| f(pool))
    }

    /// Ends the pool after what it has to do.
    pub fn shutdown(self) {
        self.take().shutdown();
    }
}
