//! The pool's front: how it is built, how calls are submitted, how it ends.

use crate::{
    call::{self, Call},
    codec, entry,
    launcher::{Command, Launcher, Local},
    shared::{Orders, Shared},
    supervisor::Supervisor,
    worker,
};
use brigade_handle::{JoinError, JoinHandle, Lost};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt, io,
    sync::{Arc, mpsc},
    thread,
};

/// A pool of worker processes that run calls.
///
/// The workers are this same executable, started anew; the first line of `main` must be [`init`](crate::init).
/// Dropping the pool cancels what is queued, kills the workers and reaps them; [`shutdown`](Self::shutdown) lets them
/// finish first.
///
/// A call is started at most once and completes exactly once: with its result, with its panic, or with the reason for
/// which there is neither. The end of a worker ends the one call that it ran, and nothing else.
pub struct ProcessPool {
    shared: Arc<Shared>,
    supervisor: Option<thread::JoinHandle<()>>,
}

/// Says how a [`ProcessPool`] is to be built.
pub struct Builder {
    workers: Option<usize>,
    launcher: Option<Box<dyn Launcher>>,
}

impl Builder {
    /// How many workers: at least one. One for each core if this is not called.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// How workers are started: [`Local`] if this is not called.
    #[must_use]
    pub fn launcher(mut self, launcher: impl Launcher + 'static) -> Self {
        self.launcher = Some(Box::new(launcher));
        self
    }

    /// Starts the pool and its workers.
    ///
    /// # Errors
    ///
    /// If [`init`](crate::init) was not called in this process, if there are to be no workers, or if the operating system
    /// refuses a thread, a descriptor or a child; the text says which.
    pub fn build(self) -> io::Result<ProcessPool> {
        if !worker::is_initialized() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a process pool starts this program again as its worker, and the program does not expect that: \
                 add `brigade_process::init();` as the first line of `main`",
            ));
        }
        let workers = match self.workers {
            Some(0) => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a process pool needs a worker"));
            }
            Some(workers) => workers,
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        let launcher = self.launcher.unwrap_or_else(|| Box::new(Local::default()));
        ProcessPool::start(workers, launcher, Command::this_executable()?)
    }
}

impl ProcessPool {
    /// A pool of so many workers, with everything else as it is by default.
    ///
    /// # Errors
    ///
    /// As for [`Builder::build`].
    pub fn new(workers: usize) -> io::Result<Self> {
        Self::builder().workers(workers).build()
    }

    /// Says how the pool is to be built.
    pub fn builder() -> Builder {
        Builder { workers: None, launcher: None }
    }

    fn start(workers: usize, launcher: Box<dyn Launcher>, command: Command) -> io::Result<Self> {
        let shared = Arc::new(Shared::new()?);
        let (tell, told) = mpsc::sync_channel(1);
        let theirs = shared.clone();
        // Children die with the thread that forked them, so this one thread does it, and outlives them all.
        let supervisor = thread::Builder::new().name("brigade-processes".into()).spawn(move || {
            let supervisor = Supervisor::new(&theirs, launcher, command, workers);
            let mut supervisor = match supervisor {
                Ok(supervisor) => supervisor,
                // The receiver waits for just this.
                Err(error) => return drop(tell.send(Err(error))),
            };
            let started = supervisor.start_all();
            if started.is_err() {
                theirs.lock().orders = Orders::Abort;
            }
            // The receiver waits for just this.
            let _ = tell.send(started);
            supervisor.run();
        })?;
        let pool = Self { shared, supervisor: Some(supervisor) };
        told.recv().map_err(|_| io::Error::other("the process pool's supervisor died"))??;
        Ok(pool)
    }

    /// Has a worker call `f(argument)`.
    ///
    /// `f` must capture nothing: a `fn` item or such a closure. What it needs is its argument. Argument and result cross the
    /// process boundary by serde.
    ///
    /// # Errors
    ///
    /// The handle gives [`JoinError::Panicked`] with a [`RemotePanic`](brigade_handle::RemotePanic) if `f` panicked, and
    /// [`JoinError::Lost`] if the worker ended, or if argument or result could not be encoded or decoded.
    ///
    /// # Cancellation
    ///
    /// A call that still waits for a worker is removed. A call that runs goes on and its result stands.
    pub fn spawn<F, A, R>(&self, f: F, argument: A) -> JoinHandle<R>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        let encoded = codec::encode_argument(&argument)
            .and_then(|bytes| Ok((bytes, entry::name(f).map_err(|why| JoinError::Lost(Lost::Codec(why)))?)));
        match encoded {
            Ok((argument, entry::Name(name))) => {
                let (caller, handle) = call::new(self.shared.clone());
                self.shared.submit(Call { name, argument, caller });
                handle
            }
            Err(error) => {
                let (completer, handle) = brigade_handle::pair();
                completer.complete(Err(error));
                handle
            }
        }
    }

    /// Has the workers call `f` with each input, and waits for all results, which are in the order of the inputs.
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Self::spawn), for each input on its own.
    ///
    /// # Panics
    ///
    /// On a thread that must not block, such as a worker of an async executor.
    ///
    /// ```no_run
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::new(2).unwrap();
    /// let squares: Vec<u64> = procs.map(|n: u64| n * n, 0..4).into_iter().map(Result::unwrap).collect();
    /// assert_eq!(squares, [0, 1, 4, 9]);
    /// ```
    pub fn map<F, A, R>(&self, f: F, inputs: impl IntoIterator<Item = A>) -> Vec<Result<R, JoinError>>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        let handles: Vec<_> = inputs.into_iter().map(|input| self.spawn(f, input)).collect();
        handles.into_iter().map(JoinHandle::join).collect()
    }

    /// The process ids of the workers that are alive now.
    pub fn worker_ids(&self) -> Vec<u32> {
        self.shared.lock().alive.clone()
    }

    /// Lets the workers finish all that was submitted, then ends them, reaps them and returns.
    pub fn shutdown(mut self) {
        self.end(Orders::Drain);
    }

    fn end(&mut self, orders: Orders) {
        let Some(supervisor) = self.supervisor.take() else { return };
        self.shared.tell(|state| state.orders = orders);
        // A waker that drops the pool runs on the supervisor itself, which cannot wait for its own end.
        if supervisor.thread().id() != thread::current().id() {
            // An error would be its panic, which the hook has shown; there is nobody to tell from a destructor.
            let _ = supervisor.join();
        }
    }
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        self.end(Orders::Abort);
    }
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPool").field("workers", &self.worker_ids()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("workers", &self.workers).finish_non_exhaustive()
    }
}
