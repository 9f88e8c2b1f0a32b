//! A server of ssh on a port of the loopback, with keys that are thrown away.

use crate::machine::{run, signal, wait_until};
use brigade_process::Ssh;
use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Ends with the test, with all its sessions.
pub(crate) struct Sshd {
    pub(crate) folder: PathBuf,
    port: u16,
    server: Child,
}

impl Sshd {
    pub(crate) const PROGRAM: &str = "/usr/sbin/sshd";

    /// Starts a server with further lines of configuration, and waits until it listens.
    pub(crate) fn start(lines: &str) -> Self {
        // Nobody else knows its name, or may look into it.
        let folder = PathBuf::from(run(&["mktemp", "--directory"]));
        // Where the server's processes shut themselves in before a login.
        fs::create_dir_all("/run/sshd").unwrap();
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        for key in ["host", "key"] {
            run(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", &path(key)]);
        }
        // Another process may take the port in between; then the server does not come, and the test fails.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let configuration = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nMaxStartups 100\n{lines}\n",
            path("host"),
            path("key.pub"),
        );
        fs::write(folder.join("config"), configuration).unwrap();
        // If this process is killed, the kernel ends the server.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", Self::PROGRAM, "-D", "-f", &path("config"), "-E", &path("log")]);
        let server = command.stdin(Stdio::null()).spawn().unwrap();
        let mut new = Self { folder, port, server };
        wait_until("the server of ssh", || {
            let log = fs::read_to_string(new.folder.join("log")).unwrap_or_default();
            assert!(new.server.try_wait().unwrap().is_none(), "{log}");
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        });
        fs::write(new.folder.join("port"), port.to_string()).unwrap();
        new
    }

    /// Starts workers on two hosts, which both are this one.
    pub(crate) fn launcher(&self) -> Ssh {
        Self::launcher_of(&self.folder)
    }

    /// The same for a process that has not started the server.
    pub(crate) fn launcher_of(folder: &Path) -> Ssh {
        let port = fs::read_to_string(folder.join("port")).unwrap();
        let path = |name: &str| folder.join(name).display().to_string();
        Ssh::new(["127.0.0.1", "root@127.0.0.1"])
            .option("-F/dev/null")
            .option(format!("-p{port}"))
            .option(format!("-i{}", path("key")))
            .option("-oIdentitiesOnly=yes")
            .option("-oStrictHostKeyChecking=accept-new")
            .option(format!("-oUserKnownHostsFile={}", path("known")))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Its sessions end with their connections.
        signal("TERM", &self.server.id().to_string());
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
