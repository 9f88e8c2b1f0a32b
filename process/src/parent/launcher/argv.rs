//! Workers behind a command: any argv that ends in this program as a worker, here or on another machine.

use super::{
    Command, Fact, Launched, Launcher,
    argv_worker::{ArgvWorker, Connection},
    dial_back::{DialBack, Token},
    exec,
    local::{find_program, pipes, plan},
    shell,
};
use crate::{
    image, sys,
    system::{interrupts::Interrupts, stream},
    wire::handover::{VARIABLE, start_error},
};
use std::{
    ffi::{OsStr, OsString},
    io,
    net::IpAddr,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, net::UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

/// Has `srun` pass output on at once, as `--unbuffered` does. Without it the worker's greeting, which does
/// not end with a line, would not arrive. Other commands do not know it.
const UNBUFFERED: (&str, &str) = ("SLURM_UNBUFFEREDIO", "1");

/// Starts workers by a command in front of theirs, such as `mpirun -n 1` or `kubectl exec -i pod --`: any
/// command that ends in running the rest of its arguments somewhere, with its standard input and output
/// connected to that. For `srun` and `ssh` there are [`Slurm`](crate::Slurm) and [`Ssh`](crate::Ssh), which
/// know the right options.
///
/// The worker's frames go over the command's stdin and stdout, and the output of calls goes to its stderr.
/// So the command must pass both on unchanged and at once, and start one worker: `srun` wants `-n1`. With
/// [`dial_back`](Self::dial_back) the frames go over a TCP connection instead, which the worker makes; the
/// pool knows it by a token that the worker reads from its stdin.
///
/// The pool reads the command's stderr and prints it, line by line. If a worker is lost, the last lines are
/// part of the error, since they mostly hold the reason:
/// [`Lost::CommandEnded`](brigade_handle::Lost::CommandEnded).
///
/// A worker behind a command gets this program's file by its path. So the same build must be there under
/// that path, or under the path that [`program`](Self::program) sets. Both sides refuse another build at
/// the start. Calls go one at a time, batches of a `map` in one message.
///
/// The pool ends the command by SIGKILL, but `srun`, `mpirun` and `mpiexec` by SIGTERM: they have to clean up
/// elsewhere, and are killed when they have not done so after five seconds. Nor do these three get a
/// terminal's Ctrl-C.
///
/// The command has the pool's environment and working directory, and so has the worker if the command passes
/// them on. [`Builder::env_clear`](crate::Builder::env_clear) concerns the worker and not the command; the
/// variables are then among the command's arguments.
///
/// ```no_run
/// use brigade_process::{Argv, ProcessPool};
///
/// brigade_process::init();
/// let launcher = Argv::new(["mpirun", "-n", "1"]).program("/opt/soup/bin/soup");
/// let procs = ProcessPool::builder().workers(4).launcher(launcher).build().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Argv {
    prefix: Vec<OsString>,
    program: Option<PathBuf>,
    address: Option<IpAddr>,
    start_limit: Option<Duration>,
    treatment: Treatment,
}

/// How a command is treated of which more is known than its name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Treatment {
    /// It never asks at the terminal, so it may have a session of its own, where no Ctrl-C reaches it.
    pub(super) is_silent: bool,
    /// How long it may take to end after SIGTERM, because it then cleans up elsewhere.
    pub(super) grace: Option<Duration>,
    /// It hands its arguments to a shell over there, and passes no environment and no directory on.
    pub(super) has_shell: bool,
}

/// How long a command that cleans up may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

impl Treatment {
    /// The treatment of a command with this name.
    pub(super) fn of(name: &str) -> Self {
        match name {
            // Killed at once, `srun` may leave an allocation that nobody uses, and `mpirun` leaves files.
            "srun" | "mpirun" | "mpiexec" => Self { is_silent: true, grace: Some(GRACE), has_shell: false },
            _ => Self::default(),
        }
    }
}

/// The name of a command, without its folder.
fn name_of(prefix: &[OsString]) -> String {
    let word = prefix.first().map_or(Path::new("env"), Path::new);
    word.file_name().unwrap_or(word.as_os_str()).to_string_lossy().into_owned()
}

impl Argv {
    /// Puts this command in front. Its first word is looked up in `PATH`. An empty command runs the worker
    /// as it is.
    ///
    /// ```
    /// use brigade_process::{Argv, ProcessPool};
    ///
    /// brigade_process::init();
    /// let launcher = Argv::new(["nice", "-n", "5"]);
    /// let procs = ProcessPool::builder().workers(1).launcher(launcher).build().unwrap();
    /// assert_eq!(procs.spawn(|n: u64| n + 1, 1).join().unwrap(), 2);
    /// ```
    pub fn new<W: Into<OsString>>(prefix: impl IntoIterator<Item = W>) -> Self {
        let prefix: Vec<_> = prefix.into_iter().map(Into::into).collect();
        let treatment = Treatment::of(&name_of(&prefix));
        Self { prefix, program: None, address: None, start_limit: None, treatment }
    }

    /// The same for a command that is known.
    pub(super) fn treated(self, treatment: Treatment) -> Self {
        Self { treatment, ..self }
    }

    /// The same command with further words.
    pub(super) fn followed_by(mut self, words: impl IntoIterator<Item = OsString>) -> Self {
        self.prefix.extend(words);
        self
    }

    /// Sets where this program is found over there. The default is its own path here. A command that hands
    /// its arguments to a shell, as `ssh` does, wants a path without spaces.
    #[must_use]
    pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
        self.program = Some(path.into());
        self
    }

    /// Has workers connect to this address of this machine, on a port that the system picks for each of
    /// them, and that is open at this address alone. An unspecified address (`0.0.0.0` or `::`) stands for
    /// the loopback.
    ///
    /// A connection that does not show the token within five seconds is closed, and the pool goes on
    /// waiting for the worker, however many connect. The token is in no argument and in no variable of the
    /// environment: the worker reads it from its stdin. The connection is not encrypted: it is for networks
    /// that are trusted.
    #[must_use]
    pub fn dial_back(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Lets a worker take as long as `limit` until it greets the pool: for a command that waits for a
    /// machine. The default is 30 seconds. A worker that has not greeted by then is killed, and counts as a
    /// failed start.
    ///
    /// ```no_run
    /// use brigade_process::Argv;
    /// use std::time::Duration;
    ///
    /// let launcher = Argv::new(["srun", "-n1"]).start_limit(Duration::from_secs(3600));
    /// ```
    #[must_use]
    pub fn start_limit(mut self, limit: Duration) -> Self {
        self.start_limit = Some(limit);
        self
    }

    /// The command line: the prefix, and the worker with the variable that makes it one.
    fn argv(&self, variable: &str, command: &Command) -> io::Result<Vec<OsString>> {
        let program = match &self.program {
            Some(program) => program.clone(),
            None => image::path()?,
        };
        let mut words: Vec<OsString> = vec!["env".into()];
        if command.cleared {
            words.push("-i".into());
        }
        if command.cleared || self.treatment.has_shell {
            let is_set = |name: &OsStr| command.variables.iter().any(|set| set == name);
            let set = command.environment.iter().filter(|(name, _)| is_set(name));
            words.extend(
                set.map(|(name, value)| [name.as_os_str(), "=".as_ref(), value].into_iter().collect()),
            );
        }
        words.push(format!("{VARIABLE}={variable}").into());
        if program.as_os_str().as_bytes().contains(&b'=') {
            // `env` would take it for one more variable.
            words.extend(["sh", "-c", "exec \"$0\""].map(Into::into));
        }
        words.push(program.into());
        let mut argv = self.prefix.clone();
        if self.treatment.has_shell {
            argv.push(shell::script(&directory(command)?, &words));
        } else {
            argv.extend(words);
        }
        Ok(argv)
    }
}

/// The directory in which the worker begins.
fn directory(command: &Command) -> io::Result<PathBuf> {
    let here = || std::env::current_dir().map_err(|error| start_error(error, "getcwd"));
    match &command.directory {
        Some(directory) if directory.is_absolute() => Ok(directory.clone()),
        Some(directory) => Ok(here()?.join(directory)),
        None => here(),
    }
}

/// The environment of the command in front.
fn environment(command: &Command) -> Vec<(OsString, OsString)> {
    let mut environment = command.environment.clone();
    if command.cleared {
        let set = |name: &OsString| command.variables.contains(name);
        environment.extend(std::env::vars_os().filter(|(name, _)| !set(name)));
    }
    if environment.iter().all(|(name, _)| name != UNBUFFERED.0) {
        environment.push((UNBUFFERED.0.into(), UNBUFFERED.1.into()));
    }
    environment
}

impl Launcher for Argv {
    fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
        let (ours, theirs) = UnixStream::pair().map_err(|error| start_error(error, "socketpair"))?;
        let theirs = OwnedFd::from(theirs);
        let (output, written) = pipes(command)?;
        let (channel, line, variable) = match self.address {
            None => (Connection::There(ours.into()), None, "1:stdio".to_owned()),
            Some(address) => {
                let token = Token::new()?;
                let port = DialBack::open(address, &token)?;
                // The token goes over the worker's stdin, which nobody else sees; others could see an
                // argument or a variable.
                stream::send(ours.as_fd(), &[token.bytes(), b"\n"].concat())?;
                let variable = format!("1:dial:{}", port.address());
                (Connection::Awaited(port), Some(ours), variable)
            }
        };
        if let Connection::There(fd) = &channel {
            sys::set_nonblocking(fd.as_fd()).map_err(|error| start_error(error, "fcntl"))?;
        }
        let talks = matches!(channel, Connection::There(_));
        let mut handed = vec![(&theirs, 0)];
        match &written {
            Some([out, err]) => handed.extend([(if talks { &theirs } else { out }, 1), (err, 2)]),
            None if talks => handed.push((&theirs, 1)),
            None => {}
        }
        let plan = self.plan(command, &variable)?;
        let forked = exec::fork(&plan, &handed)?;
        let pid = forked.pid;
        let done = [
            (output.is_some(), Fact::Output),
            (self.address.is_some(), Fact::Connection),
            (self.treatment.grace.is_some(), Fact::Grace),
            (self.start_limit.is_some(), Fact::StartLimit),
        ];
        done.into_iter().filter(|(is, _)| *is).for_each(|(_, fact)| command.facts.note(fact));
        Ok(Box::new(ArgvWorker {
            name: name_of(&self.prefix),
            forked: Some(forked),
            pid,
            channel,
            line,
            dials: self.address.is_some(),
            is_known: self.treatment.is_silent,
            exit: sys::exit_watch(pid),
            output,
            stop: command.stop.clone(),
            start_limit: self.start_limit,
            grace: self.treatment.grace,
            is_asked: false,
            facts: command.facts.clone(),
        }))
    }

    fn is_heard(&self) -> bool {
        true
    }
}

impl Argv {
    /// The plan of the command in front.
    fn plan(&self, command: &Command, variable: &str) -> io::Result<exec::Plan> {
        let command = Command {
            argv: self.argv(variable, command)?,
            environment: environment(command),
            // A shell over there goes to it.
            directory: command.directory.clone().filter(|_| !self.treatment.has_shell),
            ..command.clone()
        };
        let program = find_program(&command.argv[0], &command)?;
        let command = Command { argv: [vec![program], command.argv[1..].to_vec()].concat(), ..command };
        let mut made = plan(&command, variable)?;
        if self.treatment.is_silent && command.interrupts == Interrupts::Owner {
            made = made.with_own_session();
        }
        if self.treatment.grace.is_some() {
            made = made.terminated_with_parent();
        }
        Ok(made)
    }
}
