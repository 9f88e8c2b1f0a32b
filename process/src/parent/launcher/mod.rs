//! How a worker is started: one small trait over an argv, an environment and one channel.
//!
//! The pool knows nothing of processes beyond this trait. The launcher that it uses by default, [`Local`],
//! forks and execs this same executable; [`Argv`] runs any command that ends in it, here or elsewhere;
//! [`Slurm`] and [`Ssh`] are `Argv` with the right options for these two commands.

mod argv;
mod argv_worker;
mod dial_back;
// Unsafe: fork, and the system calls between fork and exec.
#[allow(unsafe_code)]
mod exec;
mod facts;
mod local;
mod options;
mod shell;
mod slurm;
mod ssh;
mod stop;
mod zygote;

use self::options::options;
pub use self::{argv::Argv, local::Local, slurm::Slurm, ssh::Ssh};
pub(crate) use self::{
    facts::{Fact, Facts},
    stop::Stop,
};
use crate::{image, system::interrupts::Interrupts};
use brigade_handle::Lost;
use std::{
    ffi::OsString,
    fmt, io,
    os::fd::{BorrowedFd, OwnedFd},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// Starts workers. Implement it to start them in a way that [`Local`] and [`Argv`] do not know.
///
/// ```
/// use brigade_process::{Command, Launched, Launcher, Local, ProcessPool};
///
/// /// Starts workers as `Local` does, and says so.
/// struct Announced(Local);
///
/// impl Launcher for Announced {
///     fn start(&mut self, command: &Command) -> std::io::Result<Box<dyn Launched>> {
///         println!("starting {:?}", command.argv[0]);
///         self.0.start(command)
///     }
/// }
///
/// brigade_process::init();
/// let procs = ProcessPool::builder().workers(1).launcher(Announced(Local::default())).build().unwrap();
/// assert_eq!(procs.spawn(|n: u64| n + 1, 1).join().unwrap(), 2);
/// ```
pub trait Launcher: Send {
    /// Starts one worker. A thread of the pool's own calls it, the *starter*, which lives longer than the
    /// worker and has nothing else to do: it may take its time. A pool that ends waits a second for it and
    /// then ends without it; a worker that it has started then is killed.
    ///
    /// # Errors
    ///
    /// Returns an error if the worker cannot be started, with the operation that failed. The pool tries
    /// again, each time after a longer pause.
    ///
    /// # Panics
    ///
    /// A panic counts as an error with its text.
    fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>>;

    /// Whether the pool is to read what its workers print even if the builder does not ask for that. The
    /// pool then prints it, line by line, and quotes the last lines on stderr of a worker that is lost.
    fn is_heard(&self) -> bool {
        false
    }
}

/// A worker that was started.
///
/// The starter calls [`confirm`](Self::confirm). The pool's supervisor, the one thread that looks after all
/// workers, calls the other methods, so none of these may wait. If one panics, the worker is killed, and
/// its call gives [`Lost::Supervisor`](brigade_handle::Lost::Supervisor) with the text.
///
/// # Wrapping another launcher's workers
///
/// A launcher that builds on another one can wrap its workers. It passes on what they say of themselves, also
/// in the methods that have a default. If it forgets one whose default is wrong for its worker, the start
/// fails with the method's name.
///
/// ```
/// use brigade_process::{Command, Ended, Launched, Launcher, Local, ProcessPool};
/// use std::{io, os::fd::BorrowedFd, sync::atomic::{AtomicU32, Ordering}};
///
/// static ENDED: AtomicU32 = AtomicU32::new(0);
///
/// struct Counting(Local);
///
/// impl Launcher for Counting {
///     fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
///         Ok(Box::new(Counted(self.0.start(command)?)))
///     }
/// }
///
/// /// A worker whose end is counted.
/// struct Counted(Box<dyn Launched>);
///
/// impl Launched for Counted {
///     fn id(&self) -> u32 {
///         self.0.id()
///     }
///     fn channel(&self) -> BorrowedFd<'_> {
///         self.0.channel()
///     }
///     fn exit(&self) -> Option<BorrowedFd<'_>> {
///         self.0.exit()
///     }
///     fn confirm(&mut self) -> io::Result<()> {
///         self.0.confirm()
///     }
///     fn has_ring(&self) -> bool {
///         self.0.has_ring()
///     }
///     fn has_setup(&self) -> bool {
///         self.0.has_setup()
///     }
///     fn delivers_at_once(&self) -> bool {
///         self.0.delivers_at_once()
///     }
///     fn kill(&mut self) -> io::Result<()> {
///         self.0.kill()
///     }
///     fn wait(&mut self) -> io::Result<Option<Ended>> {
///         let ended = self.0.wait()?;
///         ENDED.fetch_add(u32::from(ended.is_some()), Ordering::Relaxed);
///         Ok(ended)
///     }
/// }
///
/// brigade_process::init();
/// let procs = ProcessPool::builder().workers(2).launcher(Counting(Local::default())).build().unwrap();
/// let answers: Vec<_> = procs.map(|n: u64| n + 1, [1, 2]).into_iter().map(Result::unwrap).collect();
/// assert_eq!(answers, [2, 3]);
/// procs.shutdown();
/// assert_eq!(ENDED.load(Ordering::Relaxed), 2);
/// ```
pub trait Launched: Send {
    /// The process that must be waited for here; its number in reports and traces.
    fn id(&self) -> u32;

    /// The channel to the worker: a stream socket over which frames go both ways. It stays open, and stays
    /// the same, until this worker is dropped. If the channel was not there at the start, what is returned
    /// before [`connect`](Self::connect) says that it is may be another descriptor.
    fn channel(&self) -> BorrowedFd<'_>;

    /// A descriptor that becomes readable when the process ends. It stays open, and stays the same, until
    /// this worker is dropped. Without one the pool asks now and then.
    fn exit(&self) -> Option<BorrowedFd<'_>>;

    /// Waits until it is certain that the program was started, where the launcher can know that. The
    /// starter calls it once, right after [`start`](Launcher::start).
    ///
    /// # Errors
    ///
    /// Returns the reason if the program was not started.
    fn confirm(&mut self) -> io::Result<()>;

    /// Whether the channel is there, and the worker at its other end. The pool asks at the start, and then
    /// whenever [`channel`](Self::channel) is readable, until it is: before that, the descriptor only
    /// reports that there is news. If a channel could be anybody's, it must have been shown to be the
    /// worker's by then, and the bytes that served for that must be taken out of it.
    ///
    /// # Errors
    ///
    /// Returns the reason if there will be no channel.
    fn connect(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    /// The pool does not call this any more, since [`connect`](Self::connect) answers for the other end. It
    /// is left for launchers that wrap another one's workers.
    #[doc(hidden)]
    fn token(&self) -> Option<&str> {
        None
    }

    /// The likely cause if the worker was lost before it has greeted the pool, as a text that is added to
    /// the error: the launcher knows what lies between.
    fn advice(&self, _lost: &Lost) -> Option<String> {
        None
    }

    /// The name of the command in front of the worker, if there is one. It is part of the worker's errors.
    fn command(&self) -> Option<&str> {
        None
    }

    /// How long the worker may take until it greets the pool. None: 30 seconds.
    fn start_limit(&self) -> Option<Duration> {
        None
    }

    /// The pipes of the worker's stdout and stderr, if the command wants them. Given out once. Nobody else
    /// reads them, so a worker whose pipes are not given out would wait as soon as they are full.
    fn output(&mut self) -> Option<[OwnedFd; 2]> {
        None
    }

    /// Whether all that the worker has sent can be read as soon as it has ended, as through a socket within
    /// one machine. If not, the pool waits for the end of the channel, for a second at most: an answer may
    /// still be on its way when the end of the process is seen.
    fn delivers_at_once(&self) -> bool {
        false
    }

    /// Whether the worker was handed the shared memory that the command offers.
    fn has_ring(&self) -> bool {
        false
    }

    /// Whether the worker's setup, which the command offers, was put into the channel before the worker
    /// began.
    fn has_setup(&self) -> bool {
        false
    }

    /// How long the process may take to end after the first [`kill`](Self::kill), if it is asked at first
    /// and killed by a second `kill` only. None: the first one kills.
    fn grace(&self) -> Option<Duration> {
        None
    }

    /// Ends the process at once, whatever it does; if there is a [grace](Self::grace), at the second time.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error, `PermissionDenied` if the process has become another user's.
    fn kill(&mut self) -> io::Result<()>;

    /// How the process ended, if it has; then it is reaped, and neither this nor `kill` is called again.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error, for example if another part of the program has reaped the
    /// process.
    fn wait(&mut self) -> io::Result<Option<Ended>>;
}

/// How a worker's process ended.
///
/// ```
/// use brigade_process::Ended;
///
/// let ended = Ended::Exited(3);
/// assert!(matches!(ended, Ended::Exited(code) if code != 0), "it has failed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this code.
    Exited(i32),
    /// It was killed by this signal.
    Killed(i32),
}

/// The description of a worker that is to be started. A launcher may change it, or start another command that
/// starts this one somewhere else.
///
/// ```
/// use brigade_process::{Command, Launched, Launcher, Local, ProcessPool};
///
/// /// Starts workers in a folder, and with a variable in their environment.
/// struct In(&'static str, Local);
///
/// impl Launcher for In {
///     fn start(&mut self, command: &Command) -> std::io::Result<Box<dyn Launched>> {
///         let mut command = command.clone();
///         command.directory = Some(self.0.into());
///         command.environment.push(("COURSE".into(), "soup".into()));
///         self.1.start(&command)
///     }
/// }
///
/// brigade_process::init();
/// let launcher = In("/", Local::default());
/// let procs = ProcessPool::builder().workers(1).launcher(launcher).build().unwrap();
/// let place = |_: ()| (std::env::current_dir().unwrap(), std::env::var("COURSE").unwrap());
/// assert_eq!(procs.spawn(place, ()).join().unwrap(), ("/".into(), "soup".into()));
/// ```
#[derive(Clone, Debug)]
pub struct Command {
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory, if it is to differ from this process's.
    pub directory: Option<PathBuf>,
    /// The worker's number in the pool, from 0 on. A worker that takes another's place has its number.
    pub worker: usize,
    /// The names of the variables that the pool's builder has set.
    pub(crate) variables: Vec<OsString>,
    /// The environment holds these variables and no others.
    pub(crate) cleared: bool,
    /// Shared memory for the worker's ring, and the bell to ring. Only a launcher on this machine can hand
    /// them over.
    pub(crate) ring: Option<[Arc<OwnedFd>; 2]>,
    /// The frame that sets this worker up. A launcher that can write it into the channel at the start
    /// spares the worker a wait.
    pub(crate) setup: Vec<u8>,
    /// The worker's stdout and stderr are to be read by the pool.
    pub(crate) piped: bool,
    /// Workers are to be forked from a zygote, which is set up by this frame.
    pub(crate) zygote: Option<Vec<u8>>,
    /// Decides which processes answer the terminal's interrupts. [`Local`] sees to it from the very start,
    /// the worker itself once it is set up.
    pub(crate) interrupts: Interrupts,
    /// Rung when the pool ends, for a launcher that waits.
    pub(crate) stop: Arc<Stop>,
    /// How long a worker, or a zygote, may take to be set up.
    pub(crate) setup_limit: Option<Duration>,
    /// The facts about the worker that it must tell the pool itself.
    pub(crate) facts: Arc<Facts>,
}

impl Command {
    /// The command that runs this executable as a worker.
    pub(crate) fn this_executable() -> io::Result<Self> {
        let program: OsString = match cfg!(target_os = "linux") {
            true => image::SELF.into(),
            false => std::env::current_exe()?.into(),
        };
        Ok(Self {
            argv: vec![program],
            environment: std::env::vars_os().collect(),
            directory: None,
            worker: 0,
            variables: Vec::new(),
            cleared: false,
            ring: None,
            setup: Vec::new(),
            piped: false,
            zygote: None,
            interrupts: Interrupts::Owner,
            stop: Arc::new(Stop::new()?),
            setup_limit: None,
            facts: Arc::default(),
        })
    }
}

impl fmt::Debug for dyn Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launched").field("id", &self.id()).finish_non_exhaustive()
    }
}
