//! Ctrl-C: everything ends at once, the children too, and the terminal is as it was.
//!
//! A thread of ours waits for the signal. Process pools that run are known here ([`Guarded`]), since a process that
//! exits drops nothing: the thread drops them, which kills and reaps their children, and then exits.

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

type Place = Mutex<Option<ProcessPool>>;

/// How often the roll is called at most.
const ROUNDS: usize = 100;

static LEAVING: AtomicBool = AtomicBool::new(false);
static POOLS: Mutex<Vec<Weak<Place>>> = Mutex::new(Vec::new());

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

/// Ends the children, puts the terminal right, and exits.
pub fn leave(code: i32) -> ! {
    // Release: whoever sees that a pool is gone also sees why (Acquire in `stay_out_of_the_way`).
    LEAVING.store(true, Ordering::Release);
    for place in lock(&POOLS).drain(..).filter_map(|place| place.upgrade()) {
        drop(lock(&place).take());
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

/// A process pool whose children do not outlive Ctrl-C.
#[derive(Debug)]
pub struct Guarded(Arc<Place>);

impl Guarded {
    /// Starts a pool of so many children, and waits until all of them are there.
    ///
    /// # Errors
    ///
    /// If they cannot be started.
    pub fn start(workers: usize) -> io::Result<Self> {
        let place = Arc::new(Mutex::new(Some(ProcessPool::new(workers)?)));
        let mut pools = lock(&POOLS);
        pools.retain(|place| place.strong_count() > 0);
        pools.push(Arc::downgrade(&place));
        drop(pools);
        let procs = Self(place);
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
        let place = lock(&self.0);
        // Empty means that the process is about to exit, on another thread.
        let Some(pool) = &*place else {
            drop(place);
            stay_out_of_the_way();
            unreachable!("only `leave` and `shutdown` empty the place, and `shutdown` is the last call");
        };
        f(pool)
    }

    /// Ends the pool after what it has to do.
    pub fn shutdown(self) {
        let pool = lock(&self.0).take();
        if let Some(pool) = pool {
            pool.shutdown();
        }
    }
}
