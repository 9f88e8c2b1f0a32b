//! Ctrl-C: everything ends at once, the children too, and the terminal is as it was.
//!
//! A thread of ours waits for the signal. What has children is known here ([`Guarded`]), since a process that exits drops
//! nothing: the thread drops them, which kills and reaps their children, and then exits.

use brigade_handle::JoinHandle;
use brigade_process::ProcessPool;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    collections::HashSet,
    io::{self, IsTerminal, Write},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// What holds children, whatever kind.
trait Place: Send + Sync {
    /// Ends the children.
    fn vacate(&self);
}

impl<T: Send> Place for Mutex<Option<T>> {
    fn vacate(&self) {
        drop(lock(self).take());
    }
}

/// How often the roll is called at most.
const ROUNDS: usize = 100;

static LEAVING: AtomicBool = AtomicBool::new(false);
static GIVE_BACK: Mutex<Option<fn()>> = Mutex::new(None);
static PLACES: Mutex<Vec<Weak<dyn Place>>> = Mutex::new(Vec::new());

/// From now on, Ctrl-C ends the program as described above, with exit code 130 (128 and the signal's number).
///
/// # Errors
///
/// If the signal cannot be caught.
pub fn listen() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let body = move || {
        if let Some(signal) = signals.forever().next() {
            leave(128 + signal);
        }
    };
    thread::Builder::new().name("interrupt".into()).spawn(body)?;
    Ok(())
}

/// Has this called before the process exits on a signal: it gives back what belongs to others. The last one counts.
pub fn before_leaving(give_back: fn()) {
    *lock(&GIVE_BACK) = Some(give_back);
}

/// Ends the children, puts the terminal right, and exits.
pub fn leave(code: i32) -> ! {
    // Release: whoever sees that a pool is gone also sees why (Acquire in `stay_out_of_the_way`).
    LEAVING.store(true, Ordering::Release);
    for place in lock(&PLACES).drain(..).filter_map(|place| place.upgrade()) {
        place.vacate();
    }
    let give_back = *lock(&GIVE_BACK);
    if let Some(give_back) = give_back {
        give_back();
    }
    let mut terminal = io::stderr();
    if terminal.is_terminal() {
        // To the line's beginning, clear it, show the cursor.
        let _ = terminal.write_all(b"\r\x1b[2K\x1b[?25h").and_then(|()| terminal.flush());
    }
    process::exit(code)
}

/// Parks this thread for ever if the process is about to exit: the results that it gets from now on are none.
pub fn stay_out_of_the_way() {
    while LEAVING.load(Ordering::Acquire) {
        thread::park();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can be left half done by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something with children, such as a process pool, whose children do not outlive Ctrl-C.
#[derive(Debug)]
pub struct Guarded<T = ProcessPool>(Arc<Mutex<Option<T>>>);

impl<T: Send + 'static> Guarded<T> {
    /// From now on, Ctrl-C drops it before the program exits.
    pub fn of(value: T) -> Self {
        let place = Arc::new(Mutex::new(Some(value)));
        let mut places = lock(&PLACES);
        places.retain(|place| place.strong_count() > 0);
        let known: Weak<Mutex<Option<T>>> = Arc::downgrade(&place);
        places.push(known);
        drop(places);
        Self(place)
    }

    /// Takes it back, for a caller who ends it in the usual way.
    pub fn take(self) -> T {
        let value = lock(&self.0).take();
        value.unwrap_or_else(|| Self::is_vacated())
    }

    /// Uses it. `f` must not wait: it could not be ended meanwhile.
    pub fn inside<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let mut place = lock(&self.0);
        let Some(value) = &mut *place else {
            drop(place);
            Self::is_vacated();
        };
        f(value)
    }

    /// Empty means that the process is about to exit, on another thread.
    fn is_vacated() -> ! {
        stay_out_of_the_way();
        unreachable!("only `leave` and `take` empty the place, and `take` is the last call");
    }
}

impl Guarded {
    /// Starts a pool of so many children, and waits until all of them are there.
    ///
    /// # Errors
    ///
    /// If they cannot be started.
    pub fn start(workers: usize) -> io::Result<Self> {
        let procs = Self::of(ProcessPool::new(workers)?);
        procs.call_the_roll(workers);
        Ok(procs)
    }

    /// Has the children say their names until each has been heard, so that a measurement begins with all of them.
    fn call_the_roll(&self, workers: usize) {
        let mut heard = HashSet::new();
        // A child that ends at once is never heard; the calls that follow will tell.
        for _ in 0..ROUNDS {
            let spawn =
                |procs: &ProcessPool| (0..workers).map(|_| procs.spawn(|()| process::id(), ())).collect();
            let names: Vec<JoinHandle<u32>> = self.with(spawn);
            heard.extend(names.into_iter().filter_map(|name| name.join().ok()));
            if heard.len() >= workers {
                return;
            }
        }
    }

    /// Uses the pool. `f` must not wait for results: the pool could not be ended meanwhile.
    pub fn with<R>(&self, f: impl FnOnce(&ProcessPool) -> R) -> R {
        self.inside(|pool| f(pool))
    }

    /// Ends the pool after what it has to do.
    pub fn shutdown(self) {
        self.take().shutdown();
    }
}
