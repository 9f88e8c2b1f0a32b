//! Workers behind a command: any argv that ends in this program as a worker, here or on another machine.

use super::{
    Command, Ended, Launched, Launcher, Stop,
    local::{ended, find_program, pipes, plan},
    told,
};
use crate::{
    exec::{self, Forked},
    image, sys,
};
use std::{
    ffi::OsString,
    fmt::Write,
    fs::File,
    io::{self, Read},
    net::{IpAddr, Shutdown, TcpListener, TcpStream},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    sync::Arc,
};

/// Starts workers by a command in front of theirs, such as `ssh host` or `srun -n1`: whatever ends in running the rest of its
/// arguments somewhere, with its standard input and output connected to that.
///
/// The worker's frames go over the command's stdin and stdout, and what calls print goes to its stderr. With
/// [`dial_back`](Self::dial_back) they go over a TCP connection instead, which the worker makes; it is known by a token that it
/// reads from its stdin.
///
/// A worker behind a command gets this program's file by its path, so the same build must be there under that path, or under
/// the one that [`program`](Self::program) says. Another build is refused at the start, by both sides. Calls go one at a time,
/// batches of a `map` in one message.
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
    /// With this command in front. Its first word is looked for in `PATH`. An empty one runs the worker as it is.
    pub fn new<W: Into<OsString>>(prefix: impl IntoIterator<Item = W>) -> Self {
        Self { prefix: prefix.into_iter().map(Into::into).collect(), program: None, address: None }
    }

    /// Where this program is found over there: at its own path here if this is not called. A command that hands its arguments to
    /// a shell, as `ssh` does, wants a path without spaces.
    #[must_use]
    pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
        self.program = Some(path.into());
        self
    }

    /// Has workers connect to this address of this machine, on a port that the system picks for each of them. The connection
    /// is not encrypted: for networks that are trusted.
    #[must_use]
    pub fn dial_back(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// What is to be run: the prefix, and the worker with the variable that makes it one.
    fn argv(&self, variable: &str) -> io::Result<Vec<OsString>> {
        let program = match &self.program {
            Some(program) => program.clone(),
            None => image::path()?,
        };
        let mut argv = self.prefix.clone();
        argv.extend(["env".into(), format!("{}={variable}", crate::init::VARIABLE).into(), program.into()]);
        Ok(argv)
    }
}

impl Launcher for Argv {
    fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
        let (ours, theirs) = UnixStream::pair().map_err(|error| told(error, "socketpair"))?;
        let theirs = OwnedFd::from(theirs);
        let (output, written) = pipes(command)?;
        let (channel, variable) = match self.address {
            None => (Channel::There(ours.into()), "1:stdio".to_owned()),
            Some(address) => {
                let listener = TcpListener::bind((address, 0)).map_err(|error| told(error, "listen"))?;
                listener.set_nonblocking(true).map_err(|error| told(error, "ioctl(FIONBIO)"))?;
                let token = new_token()?;
                // The worker's stdin: nobody else sees it, as they would see an argument.
                let line = format!("{token}\n");
                sys::send(ours.as_fd(), line.as_bytes())?;
                let variable = format!("1:dial:{}", listener.local_addr()?);
                (Channel::Awaited { listener, token, line: ours }, variable)
            }
        };
        if let Channel::There(fd) = &channel {
            sys::set_nonblocking(fd.as_fd()).map_err(|error| told(error, "fcntl"))?;
        }
        let mut argv = self.argv(&variable)?;
        argv[0] = find_program(&argv[0], command)?;
        let plan = plan(&Command { argv, ..command.clone() }, &variable)?;
        let talks = matches!(channel, Channel::There(_));
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
        Ok(Box::new(Behind { forked: Some(forked), pid, channel, token: None, exit, output, stop }))
    }
}

/// 128 bits that nobody can guess.
fn new_token() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut token, byte| {
        // Writing to a string cannot fail.
        let _ = write!(token, "{byte:02x}");
        token
    }))
}

enum Channel {
    There(OwnedFd),
    /// A connection is waited for; `line` is the other end of the worker's stdin, which must not end before it was read.
    Awaited {
        listener: TcpListener,
        token: String,
        line: UnixStream,
    },
}

/// A command that was started.
struct Behind {
    forked: Option<Forked>,
    pid: i32,
    channel: Channel,
    token: Option<(String, UnixStream)>,
    exit: Option<OwnedFd>,
    output: Option<[OwnedFd; 2]>,
    stop: Arc<Stop>,
}

impl Launched for Behind {
    fn id(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    fn channel(&self) -> BorrowedFd<'_> {
        match &self.channel {
            Channel::There(fd) => fd.as_fd(),
            Channel::Awaited { listener, .. } => listener.as_fd(),
        }
    }

    fn connect(&mut self) -> io::Result<bool> {
        let Channel::Awaited { listener, .. } = &self.channel else { return Ok(true) };
        let stream: TcpStream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let before = std::mem::replace(&mut self.channel, Channel::There(stream.into()));
        if let Channel::Awaited { token, line, .. } = before {
            self.token = Some((token, line));
        }
        Ok(true)
    }

    fn token(&self) -> Option<&str> {
        match &self.channel {
            Channel::Awaited { token, .. } => Some(token),
            Channel::There(_) => self.token.as_ref().map(|(token, _)| token.as_str()),
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
            (Err(error), Channel::There(fd)) if error.kind() == io::ErrorKind::PermissionDenied => {
                UnixStream::from(fd.try_clone()?).shutdown(Shutdown::Both)
            }
            (done, _) => done,
        }
    }

    fn wait(&mut self) -> io::Result<Option<Ended>> {
        ended(self.pid)
    }
}
