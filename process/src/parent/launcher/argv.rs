//! Workers behind a command: any argv that ends in this program as a worker, here or on another machine.

use super::{
    Command, Ended, Launched, Launcher, Stop,
    dial_back::{DialBack, Token},
    exec::{self, Forked},
    local::{ended, find_program, pipes, plan},
};
use crate::{
    image, sys,
    system::stream,
    wire::handover::{VARIABLE, start_error},
};
use brigade_handle::Lost;
use std::{
    ffi::OsString,
    io,
    net::{IpAddr, Shutdown},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    sync::Arc,
};

/// Starts workers by a command in front of theirs, such as `ssh host` or `srun -n1`: any command that ends
/// in running the rest of its arguments somewhere, with its standard input and output connected to that.
///
/// The worker's frames go over the command's stdin and stdout, and the output of calls goes to its stderr.
/// So the command must pass both on unchanged and at once: `srun` wants `--unbuffered`, and over `ssh` no
/// shell's startup file may print to stdout. With [`dial_back`](Self::dial_back) the frames go over a TCP
/// connection instead, which the worker makes; the pool knows it by a token that the worker reads from its
/// stdin.
///
/// A worker behind a command gets this program's file by its path. So the same build must be there under
/// that path, or under the path that [`program`](Self::program) sets. Both sides refuse another build at
/// the start. Calls go one at a time, batches of a `map` in one message.
///
/// ```no_run
/// use brigade_process::{Argv, ProcessPool};
///
/// brigade_process::init();
/// let launcher = Argv::new(["ssh", "-o", "BatchMode=yes", "kitchen.example"]).program("/opt/soup/bin/soup");
/// let procs = ProcessPool::builder().workers(4).launcher(launcher).build().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Argv {
    prefix: Vec<OsString>,
    program: Option<PathBuf>,
    address: Option<IpAddr>,
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
        Self { prefix: prefix.into_iter().map(Into::into).collect(), program: None, address: None }
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

    /// The command line: the prefix, and the worker with the variable that makes it one.
    fn argv(&self, variable: &str) -> io::Result<Vec<OsString>> {
        let program = match &self.program {
            Some(program) => program.clone(),
            None => image::path()?,
        };
        let mut argv = self.prefix.clone();
        argv.extend(["env".into(), format!("{}={variable}", VARIABLE).into(), program.into()]);
        Ok(argv)
    }
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
        let mut argv = self.argv(&variable)?;
        argv[0] = find_program(&argv[0], command)?;
        let plan = plan(&Command { argv, ..command.clone() }, &variable)?;
        let talks = matches!(channel, Connection::There(_));
        let mut handed = vec![(&theirs, 0)];
        match &written {
            Some([out, err]) => handed.extend([(if talks { &theirs } else { out }, 1), (err, 2)]),
            None if talks => handed.push((&theirs, 1)),
            None => {}
        }
        let forked = exec::fork(&plan, &handed)?;
        let pid = forked.pid;
        let exit = sys::exit_watch(pid);
        let stop = command.stop.clone();
        let dials = self.address.is_some();
        Ok(Box::new(ArgvWorker { forked: Some(forked), pid, channel, line, dials, exit, output, stop }))
    }
}

enum Connection {
    There(OwnedFd),
    /// The worker dials back.
    Awaited(DialBack),
}

/// The usual cause when frames over a command's standard streams do not arrive, or arrive among other
/// output.
const UNCHANGED: &str = "the command in front must pass the worker's stdin and stdout on unchanged and at once: \
     `srun` does with `--unbuffered`, `ssh` if no shell's startup file over there prints to stdout; or let \
     workers dial back, with `Argv::dial_back`";

/// A command that was started.
struct ArgvWorker {
    forked: Option<Forked>,
    pid: i32,
    channel: Connection,
    /// The other end of the worker's stdin, from which it reads the token. It must not end before.
    line: Option<UnixStream>,
    dials: bool,
    exit: Option<OwnedFd>,
    output: Option<[OwnedFd; 2]>,
    stop: Arc<Stop>,
}

impl Launched for ArgvWorker {
    fn id(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    fn channel(&self) -> BorrowedFd<'_> {
        match &self.channel {
            Connection::There(fd) => fd.as_fd(),
            Connection::Awaited(port) => port.knock(),
        }
    }

    fn connect(&mut self) -> io::Result<bool> {
        let Connection::Awaited(port) = &self.channel else { return Ok(true) };
        let Some(stream) = port.admitted()? else { return Ok(false) };
        (self.channel, self.line) = (Connection::There(stream.into()), None);
        Ok(true)
    }

    fn advice(&self, lost: &Lost) -> Option<String> {
        match (&self.channel, lost) {
            (Connection::Awaited(port), _) => Some(match port.refused() {
                0 => format!("nobody has connected to {}", port.address()),
                count => format!(
                    "whoever has connected to {} lacks the token ({count} were sent away)",
                    port.address()
                ),
            }),
            (Connection::There(_), Lost::Protocol(_) | Lost::NotStarted(_)) if !self.dials => {
                Some(UNCHANGED.to_owned())
            }
            (Connection::There(_), _) => None,
        }
    }

    fn exit(&self) -> Option<BorrowedFd<'_>> {
        self.exit.as_ref().map(AsFd::as_fd)
    }

    fn confirm(&mut self) -> io::Result<()> {
        self.forked.take().map_or(Ok(()), |forked| forked.confirm(&self.stop))
    }

    fn output(&mut self) -> Option<[OwnedFd; 2]> {
        self.output.take()
    }

    fn kill(&mut self) -> io::Result<()> {
        match (sys::kill(self.pid), &self.channel) {
            // One of the two has changed its user. A worker ends by itself when its channel does.
            (Err(error), Connection::There(fd)) if error.kind() == io::ErrorKind::PermissionDenied => {
                UnixStream::from(fd.try_clone()?).shutdown(Shutdown::Both)
            }
            (done, _) => done,
        }
    }

    fn wait(&mut self) -> io::Result<Option<Ended>> {
        ended(self.pid)
    }
}
