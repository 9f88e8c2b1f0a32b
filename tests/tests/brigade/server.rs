//! A server on the loopback interface that answers, or does not answer, just as a test wants.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
};

/// A listener. The test decides what happens to each connection.
pub(crate) struct Server {
    listener: TcpListener,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.listener.local_addr().unwrap().port())
    }

    /// Accepts the next connection and reads its request.
    pub(crate) fn request(&self) -> Request {
        let mut stream = self.listener.accept().unwrap().0;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
            head.push(byte[0]);
        }
        Request { stream }
    }

    /// The URL of a port on which nobody listens.
    pub(crate) fn refusing() -> String {
        Self::new().url()
    }
}

/// A request that waits for its answer. Dropping it closes the connection without one.
pub(crate) struct Request {
    stream: TcpStream,
}

impl Request {
    pub(crate) fn answer(mut self, status: &str) {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let _ = self.stream.write_all(head.as_bytes());
    }

    /// Waits until the other side closes, as it does when its process ends.
    pub(crate) fn wait_for_the_end(mut self) {
        let mut rest = Vec::new();
        // A reset is an end, too.
        let _ = self.stream.read_to_end(&mut rest);
    }

    /// The process at the other end.
    pub(crate) fn client(&self) -> u32 {
        let hex = |address: std::net::SocketAddr| format!(":{:04X}", address.port());
        let (client, server) =
            (hex(self.stream.peer_addr().unwrap()), hex(self.stream.local_addr().unwrap()));
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        // Columns 1 and 2 are the addresses of the near and the far side, column 9 the inode.
        let mut rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        let row = rows.find(|row| row.len() > 9 && row[1].ends_with(&client) && row[2].ends_with(&server));
        let inode = format!("socket:[{}]", row.expect("the connection is in the kernel's table")[9]);
        let owner = |pid: &u32| {
            let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
            descriptors.flatten().any(|entry| {
                std::fs::read_link(entry.path()).is_ok_and(|target| target.to_string_lossy() == inode)
            })
        };
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        let mut pids = pids.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
        pids.find(owner).expect("somebody holds the connection")
    }
}
