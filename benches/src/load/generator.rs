//! The process of the generator: one thread, one mio poll, a closed loop on each connection.

use super::{LOAD_CPU, Traffic};
use crate::sys;
use brigade_trace::clock;
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use std::{
    io::{self, BufRead, Read, Write},
    net::{self, SocketAddr},
    time::{Duration, Instant},
};

/// Runs `generate-load TRAFFIC ADDRESS CONNECTIONS`. Each line on standard input is a run of that many
/// milliseconds.
pub(crate) fn main(arguments: &[&str]) {
    let [traffic, server, connections] = arguments else { panic!("three arguments, not {arguments:?}") };
    let traffic = Traffic::named(traffic).expect("the parent names a kind of traffic");
    let server = server.parse().expect("the parent gives an address");
    let connections = connections.parse().expect("the parent gives a number");
    // This fails on a machine with one CPU, where load and server cannot be kept apart.
    let _ = sys::pin(LOAD_CPU);
    sys::raise_descriptor_limit();
    let mut generator = Generator::connect(traffic, server, connections).expect("the server is there");
    println!("connected");
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let millis = line.parse().expect("the parent gives a number");
        println!("{}", generator.run(Duration::from_millis(millis)).expect("the server stays there"));
    }
}

/// After this many connections the generator waits for the server. It is less than a listener's queue holds,
/// because a connection that finds the queue full is tried again only after a second.
const CONNECT_BATCH: usize = 64;

struct Generator {
    poll: Poll,
    connections: Vec<Connection>,
    request: Vec<u8>,
    /// The bytes of a response, which is the same for all requests.
    length: usize,
}

struct Connection {
    stream: TcpStream,
    received: usize,
    sent: Instant,
}

impl Generator {
    fn connect(traffic: Traffic, server: SocketAddr, count: usize) -> io::Result<Self> {
        let request = match traffic {
            Traffic::Echo => vec![b'e'; 64],
            Traffic::Http => b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
        };
        let length = response_length(traffic, server, &request)?;
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            let mut stream = net::TcpStream::connect(server)?;
            stream.set_nodelay(true)?;
            if number % CONNECT_BATCH == 0 {
                // An answer means that the server has accepted all earlier connections, so the queue of the
                // listener is empty.
                stream.write_all(&request)?;
                stream.read_exact(&mut vec![0; length])?;
            }
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            connections.push(Connection { stream, received: 0, sent: clock::now() });
        }
        Ok(Self { poll, connections, request, length })
    }

    /// Runs a closed loop on each connection until the time is over and the last response is there. Returns
    /// the number of requests, the nanoseconds, and the percentiles 50 and 99 of the response times.
    fn run(&mut self, time: Duration) -> io::Result<String> {
        let start = clock::now();
        let end = start + time;
        let mut times = Vec::with_capacity(1 << 17);
        let mut open = self.connections.len();
        for connection in &mut self.connections {
            connection.send(&self.request, clock::now())?;
        }
        let mut events = Events::with_capacity(1024);
        while open > 0 {
            self.poll.poll(&mut events, None)?;
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if !connection.receive(self.length)? {
                    continue;
                }
                let now = clock::now();
                times.push(now.duration_since(connection.sent).as_nanos());
                if now < end {
                    connection.send(&self.request, now)?;
                } else {
                    open -= 1;
                }
            }
        }
        let wall = start.elapsed().as_nanos();
        times.sort_unstable();
        let part = |hundredths: usize| times[(times.len() - 1) * hundredths / 100];
        Ok(format!("{} {wall} {} {}", times.len(), part(50), part(99)))
    }
}

impl Connection {
    /// Sends a request. It fits into the socket's buffer, which is empty since the last response.
    fn send(&mut self, request: &[u8], now: Instant) -> io::Result<()> {
        self.sent = now;
        self.received = 0;
        self.stream.write_all(request)
    }

    /// Reads the bytes that are there. Returns true if they complete a response.
    fn receive(&mut self, length: usize) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        while self.received < length {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.received += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Finds the length of a response, on a connection of its own.
fn response_length(traffic: Traffic, server: SocketAddr, request: &[u8]) -> io::Result<usize> {
    if traffic == Traffic::Echo {
        return Ok(request.len());
    }
    let mut stream = net::TcpStream::connect(server)?;
    // The answer to the last request of a connection has another length, so this connection stays open during
    // the read.
    stream.write_all(request)?;
    let mut text = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer)?;
        text.extend_from_slice(&buffer[..count]);
        let head = text.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(head) = head {
            return Ok(head + 4 + content_length(&text[..head]));
        }
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_lowercase();
    let line = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    line.and_then(|value| value.trim().parse().ok()).expect("the server tells the length of what it sends")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_body_is_read_from_its_header() {
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\ndate: now"), 13);
    }
}
