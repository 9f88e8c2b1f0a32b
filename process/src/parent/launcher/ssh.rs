//! Workers on machines that are reached by `ssh`.

use super::{Argv, Command, Launched, Launcher, argv::Treatment, options};
use std::{ffi::OsString, io, path::PathBuf, time::Duration};

/// The options of every connection. Nobody is there to answer a question; a machine that does not answer is
/// given up within 15 seconds; and no worker shares its connection, since its end would end the others.
const OPTIONS: [&str; 15] = [
    "-T",
    "-x",
    "-a",
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=10",
    "-o",
    "ServerAliveInterval=5",
    "-o",
    "ServerAliveCountMax=3",
    "-o",
    "ControlMaster=no",
    "-o",
    "ControlPath=none",
];

/// Starts workers on other machines by `ssh`, as one of several hosts for each.
///
/// A worker with number *n* runs on host *n* modulo their number, and so does a worker that takes its place.
/// The account must let this user in without a question, by a key.
///
/// A worker begins in this process's working directory, or in that of
/// [`Builder::current_dir`](crate::Builder::current_dir), which must be there under the same path. It has
/// the environment of a login there, and the variables of [`Builder::env`](crate::Builder::env). These are
/// among the arguments of `ssh`, where others can see them: hand a secret over as the initializer's argument.
/// The login shell there must take quotes as POSIX shells do. Its startup files may not print to stdout.
///
/// The worker's program is the file with this program's path over there, or with the path of
/// [`program`](Self::program), and must be the same build. If a worker is lost, its call is told what `ssh`
/// said. A machine that does not answer any more is noticed within 20 seconds. The worker there ends when its
/// own system notices that the connection is gone.
///
/// ```no_run
/// use brigade_process::{ProcessPool, Ssh};
///
/// brigade_process::init();
/// let launcher = Ssh::new(["oven1.example", "oven2.example"]).option("-p2222");
/// let procs = ProcessPool::builder().workers(8).launcher(launcher).build().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Ssh {
    argv: Argv,
    hosts: Vec<OsString>,
    options: Vec<OsString>,
}

impl Ssh {
    /// Starts workers on these hosts, each as `ssh` takes it: `host`, `user@host`, or a name from its
    /// configuration.
    ///
    /// ```
    /// let launcher = brigade_process::Ssh::new(["oven1.example", "oven2.example"]);
    /// ```
    pub fn new<H: Into<OsString>>(hosts: impl IntoIterator<Item = H>) -> Self {
        let treatment = Treatment { is_silent: true, grace: None, has_shell: true };
        let hosts = hosts.into_iter().map(Into::into).collect();
        Self { argv: Argv::new(["ssh"]).treated(treatment), hosts, options: Vec::new() }
    }

    options! {
        /// Adds an option of `ssh`, as one word: `-p2222`, `-oIdentityFile=key`. It prevails over those that
        /// this launcher sets.
        ///
        /// ```
        /// let launcher = brigade_process::Ssh::new(["oven.example"]).option("-p2222");
        /// ```
        option;
        /// Sets where this program is found over there. The default is its own path here.
        ///
        /// ```
        /// let launcher = brigade_process::Ssh::new(["oven.example"]).program("/opt/soup/bin/soup");
        /// ```
        program;
        /// Lets a worker take as long as `limit` until it greets the pool. The default is 30 seconds.
        ///
        /// ```
        /// use std::time::Duration;
        ///
        /// let launcher = brigade_process::Ssh::new(["oven.example"]).start_limit(Duration::from_secs(60));
        /// ```
        start_limit;
    }

    /// The words after `ssh` for the worker with this number.
    fn words(&self, worker: usize) -> io::Result<Vec<OsString>> {
        let Some(host) = worker.checked_rem(self.hosts.len()).map(|at| &self.hosts[at]) else {
            let why = "starting a worker: the list of hosts for ssh is empty";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        };
        // Of an option that is given twice, ssh takes the first.
        let mut words = self.options.clone();
        words.extend(OPTIONS.iter().map(Into::into));
        words.extend(["--".into(), host.clone()]);
        Ok(words)
    }
}

impl Launcher for Ssh {
    fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
        self.argv.clone().followed_by(self.words(command.worker)?).start(command)
    }

    fn is_heard(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_dealt_to_the_hosts_in_turn() {
        let ssh = Ssh::new(["one", "two"]).option("-p2222");
        let host = |worker| ssh.words(worker).unwrap().pop().unwrap();
        assert_eq!([0, 1, 2, 3].map(host), ["one", "two", "one", "two"]);
        assert_eq!(ssh.words(0).unwrap()[0], "-p2222");
    }

    #[test]
    fn no_hosts_are_an_error() {
        let told = Ssh::new([""; 0]).words(0).unwrap_err();
        assert!(told.to_string().contains("hosts"), "{told}");
    }
}
