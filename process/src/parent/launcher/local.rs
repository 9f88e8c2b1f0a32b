//! Workers on this machine: forked and exec'd, or forked from a zygote.

use super::{Command, Ended, Fact, Facts, Launched, Launcher, Stop};
use crate::{
    image,
    parent::launcher::{
        exec::{self, Plan},
        zygote::{self, NoWorker, Zygote},
    },
    sys,
    system::leash::{self, Leash},
    system::stream,
    wire::handover::{
        AS_ZYGOTE, BELL, CHANNEL, LEASH, MEMORY, VARIABLE, WITH_RING, WITHOUT_RING, start_error,
    },
};
use std::{
    ffi::{CString, OsStr, OsString},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd, RawFd},
        unix::{ffi::OsStrExt, net::UnixStream},
    },
    sync::Arc,
};

/// The length in bytes of a message that surely fits into an empty socket.
const MAX_EAGER_SETUP_BYTES: usize = 4096;

/// Starts workers on this machine by fork and exec.
///
/// ```
/// use brigade_process::{Local, ProcessPool};
///
/// // The first line of `main`:
/// brigade_process::init();
/// let launcher = Local::default().without_shared_memory();
/// let procs = ProcessPool::builder().workers(2).launcher(launcher).build().unwrap();
/// assert_eq!(procs.spawn(|n: u64| n + 1, 1).join().unwrap(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Local {
    socket_only: bool,
    zygote: Option<Zygote>,
}

impl Local {
    /// Hands workers no shared memory: every call and answer goes over the worker's socket, one call at a
    /// time. This is slower. It happens in any case where a system has no shared memory to give.
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
    has_setup: bool,
    output: Option<[OwnedFd; 2]>,
    stop: Arc<Stop>,
    leash: Option<Leash>,
    facts: Arc<Facts>,
}

impl Launcher for Local {
    fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
        let ring = command.ring.as_ref().filter(|_| !self.socket_only);
        let (ours, theirs) = UnixStream::pair().map_err(|error| start_error(error, "socketpair"))?;
        sys::set_nonblocking(ours.as_fd()).map_err(|error| start_error(error, "fcntl"))?;
        let theirs = OwnedFd::from(theirs);
        // A short message fits into an empty socket, or it does not go at all.
        let has_setup = command.setup.len() <= MAX_EAGER_SETUP_BYTES
            && stream::send(ours.as_fd(), &command.setup).is_ok();
        let (output, written) = pipes(command)?;
        let (leash, worn) = leash::new().map_err(|error| start_error(error, "pipe for its leash"))?;
        let shared = ring.into_iter().flatten().map(|fd| &**fd).zip([MEMORY, BELL]);
        let written = written.iter().flatten().zip(1..);
        let always = [(&theirs, CHANNEL), (&worn, LEASH)];
        let handed: Vec<_> = always.into_iter().chain(shared).chain(written).collect();
        let (pid, forked) = match &command.zygote {
            None => {
                let marker = if ring.is_some() { WITH_RING } else { WITHOUT_RING };
                let forked = exec::fork(&own_plan(command, marker)?, &handed)?;
                (forked.pid, Some(forked))
            }
            Some(setup) => match self.ask_zygote(command, setup, &handed) {
                Ok(pid) => (pid, None),
                Err(NoWorker::NotAsked) => {
                    return Err(start_error(io::ErrorKind::BrokenPipe.into(), "asking the zygote"));
                }
                Err(NoWorker::Refused(error)) => return Err(error),
                Err(NoWorker::Unknown(error)) => {
                    // The zygote ends before its orphan is looked for, so that the two cannot be confused.
                    self.zygote = None;
                    drop(theirs);
                    zygote::end_orphan(ours.as_fd(), leash);
                    return Err(error);
                }
            },
        };
        let exit = sys::exit_watch(pid);
        let ring = ring.is_some();
        let done = [(ring, Fact::Ring), (has_setup, Fact::Setup), (output.is_some(), Fact::Output)];
        done.into_iter().filter(|(is, _)| *is).for_each(|(_, fact)| command.facts.note(fact));
        Ok(Box::new(LocalChild {
            forked,
            pid,
            channel: ours,
            exit,
            ring,
            has_setup,
            output,
            stop: command.stop.clone(),
            leash: Some(leash),
            facts: command.facts.clone(),
        }))
    }
}

/// Two ends of pipes, if there are any.
type Ends = Option<[OwnedFd; 2]>;

/// Makes pipes for a worker's stdout and stderr, if the pool reads them: returns the ends to read, and the
/// ends to write.
pub(super) fn pipes(command: &Command) -> io::Result<(Ends, Ends)> {
    if !command.piped {
        return Ok((None, None));
    }
    let pipe = || sys::pipe().map_err(|error| start_error(error, "pipe for its output"));
    let ((out, written_out), (err, written_err)) = (pipe()?, pipe()?);
    for end in [&out, &err] {
        sys::set_nonblocking(end.as_fd()).map_err(|error| start_error(error, "fcntl"))?;
    }
    Ok((Some([out, err]), Some([written_out, written_err])))
}

impl Local {
    /// Has the zygote fork a worker; starts the zygote first if there is none, or if it has ended.
    fn ask_zygote(
        &mut self,
        command: &Command,
        setup: &[u8],
        handed: &[(&OwnedFd, RawFd)],
    ) -> Result<i32, NoWorker> {
        if let Some(zygote) = &mut self.zygote {
            match zygote.fork(handed, &command.stop) {
                Err(NoWorker::NotAsked) => self.zygote = None,
                Err(NoWorker::Unknown(error)) => {
                    self.zygote = None;
                    return Err(NoWorker::Unknown(error));
                }
                answer => return answer,
            }
        }
        let zygote = own_plan(command, AS_ZYGOTE).and_then(|plan| Zygote::start(&plan, command, setup));
        self.zygote.insert(zygote.map_err(NoWorker::Refused)?).fork(handed, &command.stop)
    }
}

/// The plan for this program, which is known to set itself up as a worker.
fn own_plan(command: &Command, marker: &str) -> io::Result<Plan> {
    if command.argv.first().is_some_and(|program| program == image::SELF) {
        image::can_be_started_again()?;
    }
    Ok(plan(command, marker)?.with_interrupts(command.interrupts))
}

pub(super) fn plan(command: &Command, marker: &str) -> io::Result<Plan> {
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
    let inherited = command.environment.iter().filter(|(name, _)| name != VARIABLE);
    let mut environment =
        inherited.map(|(name, value)| variable(name, value)).collect::<io::Result<Vec<_>>>()?;
    environment.push(variable(VARIABLE.as_ref(), marker.as_ref())?);
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
        self.forked.take().map_or(Ok(()), |forked| forked.confirm(&self.stop))
    }

    fn delivers_at_once(&self) -> bool {
        true
    }

    fn has_ring(&self) -> bool {
        self.ring
    }

    fn has_setup(&self) -> bool {
        self.has_setup
    }

    fn output(&mut self) -> Option<[OwnedFd; 2]> {
        self.facts.told(Fact::Output);
        self.output.take()
    }

    fn kill(&mut self) -> io::Result<()> {
        match sys::kill(self.pid) {
            // One of the two has changed its user, so no signal is sent. The kernel kills the worker by its
            // leash.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.leash = None;
                Ok(())
            }
            done => done,
        }
    }

    fn wait(&mut self) -> io::Result<Option<Ended>> {
        ended(self.pid)
    }
}

/// The path of a program: the word itself if there is a slash in it, else the match in `PATH`.
pub(super) fn find_program(name: &OsStr, command: &Command) -> io::Result<OsString> {
    if name.as_bytes().contains(&b'/') {
        return Ok(name.to_owned());
    }
    let path = command.environment.iter().find(|(variable, _)| variable == "PATH");
    let path = path.map_or(OsStr::new("/usr/bin:/bin"), |(_, path)| path);
    let mut places = std::env::split_paths(path).map(|folder| folder.join(name));
    let place = places.find(|place| place.is_file());
    let missing = || {
        let why =
            format!("starting a worker: there is no program {} in PATH: give its full path", name.display());
        io::Error::new(io::ErrorKind::NotFound, why)
    };
    place.map(Into::into).ok_or_else(missing)
}

/// How a child of this process has ended, if it has.
pub(super) fn ended(pid: i32) -> io::Result<Option<Ended>> {
    let Some(status) = sys::reap(pid)? else { return Ok(None) };
    Ok(Some(match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, signal) => Ended::Killed(signal.unwrap_or(0)),
    }))
}
