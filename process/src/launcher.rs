//! How a worker is started: one small trait over an argv, an environment and one channel.
//!
//! The pool knows nothing of processes beyond this trait. The launcher that it uses by default, [`Local`], forks and execs
//! this same executable.

use crate::{
    exec::{self, Plan},
    sys, worker,
};
use std::{
    ffi::{CString, OsStr, OsString},
    fmt, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, net::UnixStream},
    },
    path::PathBuf,
    sync::Arc,
};

/// Starts workers.
pub trait Launcher: Send {
    /// Starts one worker. Called on the pool's supervising thread, which lives longer than the worker.
    ///
    /// # Errors
    ///
    /// When the worker cannot be started, with the operation that failed.
    fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>>;
}

/// A worker that was started.
pub trait Launched: Send {
    /// The process that must be waited for here; its number in reports and traces.
    fn id(&self) -> u32;

    /// The channel to the worker: a stream socket over which frames go both ways.
    fn channel(&self) -> BorrowedFd<'_>;

    /// A descriptor that becomes readable when the process ends. Without one the pool asks now and then.
    fn exit(&self) -> Option<BorrowedFd<'_>>;

    /// Waits until it is certain that the program was started, where the launcher can know that.
    ///
    /// # Errors
    ///
    /// Why it was not started.
    fn confirm(&mut self) -> io::Result<()>;

    /// Whether the worker was handed the shared memory that the command offers.
    fn has_ring(&self) -> bool {
        false
    }

    /// Ends the process at once, whatever it does.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn kill(&mut self) -> io::Result<()>;

    /// How the process ended, if it has; then it is reaped, and neither this nor `kill` is called again.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn wait(&mut self) -> io::Result<Option<Ended>>;
}

/// How a worker's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this code.
    Exited(i32),
    /// It was killed by this signal.
    Killed(i32),
}

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory, if it is to differ from this process's.
    pub directory: Option<PathBuf>,
    /// Shared memory for the worker's ring, and the bell to ring. Only a launcher on this machine can hand them over.
    pub(crate) ring: Option<[Arc<OwnedFd>; 2]>,
}

impl Command {
    /// This executable, as a worker.
    pub(crate) fn this_executable() -> io::Result<Self> {
        // `/proc/self/exe` is the very file that runs, even if another was put in its place since.
        let program: OsString = match cfg!(target_os = "linux") {
            true => "/proc/self/exe".into(),
            false => std::env::current_exe()?.into(),
        };
        Ok(Self {
            argv: vec![program],
            environment: std::env::vars_os().collect(),
            directory: None,
            ring: None,
        })
    }
}

/// Starts workers on this machine by fork and exec.
///
/// ```no_run
/// use brigade_process::{Local, ProcessPool};
/// // The first line of `main`:
/// brigade_process::init();
/// let launcher = Local::default().without_shared_memory();
/// let procs = ProcessPool::builder().workers(2).launcher(launcher).build().unwrap();
/// assert_eq!(procs.spawn(|n: u64| n + 1, 1).join().unwrap(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Local {
    socket_only: bool,
}

impl Local {
    /// Hands workers no shared memory: every call and answer goes over the worker's socket, one call at a time. That is
    /// slower, and what happens anyway where a system has no shared memory to give.
    #[must_use]
    pub fn without_shared_memory(mut self) -> Self {
        self.socket_only = true;
        self
    }
}

/// A child of this process.
struct LocalChild {
    forked: Option<exec::Forked>,
    pid: i32,
    channel: UnixStream,
    exit: Option<OwnedFd>,
    ring: bool,
}

impl Launcher for Local {
    fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
        let told = |error: io::Error, what: &str| {
            io::Error::new(error.kind(), format!("starting a worker: {what}: {error}"))
        };
        let ring = command.ring.as_ref().filter(|_| !self.socket_only);
        let plan = plan(command, if ring.is_some() { worker::WITH_RING } else { worker::WITHOUT_RING })?;
        let (ours, theirs) = UnixStream::pair().map_err(|error| told(error, "socketpair"))?;
        sys::set_nonblocking(ours.as_fd()).map_err(|error| told(error, "fcntl"))?;
        let theirs = OwnedFd::from(theirs);
        let shared = ring.into_iter().flatten().map(|fd| &**fd);
        let handed: Vec<_> = [&theirs].into_iter().chain(shared).collect();
        let forked = exec::fork(&plan, &handed)?;
        let pid = forked.pid;
        Ok(Box::new(LocalChild {
            forked: Some(forked),
            pid,
            channel: ours,
            exit: sys::exit_watch(pid),
            ring: ring.is_some(),
        }))
    }
}

fn plan(command: &Command, marker: &str) -> io::Result<Plan> {
    let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
    let argv = command.argv.iter().map(|argument| text(argument)).collect::<io::Result<Vec<_>>>()?;
    if argv.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "starting a worker: the command is empty"));
    }
    let variable = |name: &OsStr, value: &OsStr| {
        let mut pair = name.to_owned();
        pair.push("=");
        pair.push(value);
        text(&pair)
    };
    let inherited = command.environment.iter().filter(|(name, _)| name != worker::VARIABLE);
    let mut environment =
        inherited.map(|(name, value)| variable(name, value)).collect::<io::Result<Vec<_>>>()?;
    environment.push(variable(worker::VARIABLE.as_ref(), marker.as_ref())?);
    let directory = command.directory.as_ref().map(|path| text(path.as_os_str())).transpose()?;
    Ok(Plan::new(argv, environment, directory))
}

impl Launched for LocalChild {
    fn id(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    fn channel(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    fn exit(&self) -> Option<BorrowedFd<'_>> {
        self.exit.as_ref().map(AsFd::as_fd)
    }

    fn confirm(&mut self) -> io::Result<()> {
        self.forked.take().map_or(Ok(()), exec::Forked::confirm)
    }

    fn has_ring(&self) -> bool {
        self.ring
    }

    fn kill(&mut self) -> io::Result<()> {
        sys::kill(self.pid)
    }

    fn wait(&mut self) -> io::Result<Option<Ended>> {
        let Some(status) = sys::reap(self.pid)? else { return Ok(None) };
        Ok(Some(match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Exited(code),
            (None, signal) => Ended::Killed(signal.unwrap_or(0)),
        }))
    }
}

impl fmt::Debug for dyn Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launched").field("id", &self.id()).finish_non_exhaustive()
    }
}
