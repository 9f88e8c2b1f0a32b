//! The process of the generator: one thread, one mio poll, a closed loop on each connection.

use super::{LOAD_CPU, PINNED, Traffic, http2};
use crate::sys;
use brigade_trace::clock;
use mio::{Events, Interest, Poll, Registry, Token, net::TcpStream};
use std::{
    io::{self, BufRead, Read, Write},
    net::{self, SocketAddr},
    time::{Duration, Instant},
};

/// Runs `generate-load PLACE TRAFFIC ADDRESS CONNECTIONS`. Each line on standard input is a run of that many
/// milliseconds.
pub(crate) fn main(arguments: &[&str]) {
    let [place, traffic, server, connections] = arguments else {
        panic!("four arguments, not {arguments:?}")
    };
    let traffic = Traffic::named(traffic).expect("the parent names a kind of traffic");
    let server = server.parse().expect("the parent gives an address");
    let connections = connections.parse().expect("the parent gives a number");
    if *place == PINNED {
        // This fails on a machine with one CPU, where load and server cannot be kept apart.
        let _ = sys::pin(LOAD_CPU);
    }
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
    target: Target,
}

/// The server, and what is asked of it.
struct Target {
    traffic: Traffic,
    server: SocketAddr,
    request: Vec<u8>,
    /// The bytes of a response, which is the same for all requests. HTTP/2 has frames instead.
    length: usize,
}

struct Connection {
    /// None if each request makes its own, and none is under way.
    stream: Option<TcpStream>,
    token: Token,
    /// Whether the stream is being connected, and the request not sent.
    is_connecting: bool,
    http2: Option<http2::Client>,
    received: usize,
    sent: Instant,
}

impl Generator {
    fn connect(traffic: Traffic, server: SocketAddr, count: usize) -> io::Result<Self> {
        let request = match traffic {
            Traffic::Echo | Traffic::Accept => vec![b'e'; 64],
            Traffic::Http => b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
            Traffic::Http2 => Vec::new(),
        };
        let length = response_length(traffic, server, &request)?;
        let target = Target { traffic, server, request, length };
        let poll = Poll::new()?;
        let connections = (0..count)
            .map(|number| Connection::open(number, &target, poll.registry()))
            .collect::<io::Result<_>>()?;
        Ok(Self { poll, connections, target })
    }

    /// Runs a closed loop on each connection until the time is over and the last response is there. Returns
    /// the number of requests, the nanoseconds, and the percentiles 50 and 99 of the response times.
    fn run(&mut self, time: Duration) -> io::Result<String> {
        let start = clock::now();
        let end = start + time;
        let mut times = Vec::with_capacity(1 << 17);
        let mut open = self.connections.len();
        for connection in &mut self.connections {
            connection.begin(&self.target, self.poll.registry(), clock::now())?;
        }
        let mut events = Events::with_capacity(1024);
        while open > 0 {
            self.poll.poll(&mut events, None)?;
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if !connection.progress(&self.target)? {
                    continue;
                }
                let now = clock::now();
                times.push(now.duration_since(connection.sent).as_nanos());
                if now < end {
                    connection.begin(&self.target, self.poll.registry(), now)?;
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
    fn open(number: usize, target: &Target, registry: &Registry) -> io::Result<Self> {
        let mut connection = Self {
            stream: None,
            token: Token(number),
            is_connecting: false,
            http2: None,
            received: 0,
            sent: clock::now(),
        };
        if target.traffic == Traffic::Accept {
            return Ok(connection);
        }
        let mut stream = net::TcpStream::connect(target.server)?;
        stream.set_nodelay(true)?;
        if target.traffic == Traffic::Http2 {
            let (client, preface) = http2::Client::new();
            stream.write_all(&preface)?;
            connection.http2 = Some(client);
        }
        if number.is_multiple_of(CONNECT_BATCH) {
            // An answer means that the server has accepted all earlier connections, so the queue of the
            // listener is empty.
            connection.ask_blocking(target, &mut stream)?;
        }
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, connection.token, Interest::READABLE)?;
        connection.stream = Some(stream);
        Ok(connection)
    }

    /// Sends a request on a blocking stream, and reads the answer.
    fn ask_blocking(&mut self, target: &Target, stream: &mut net::TcpStream) -> io::Result<()> {
        let Some(client) = &mut self.http2 else {
            stream.write_all(&target.request)?;
            return stream.read_exact(&mut vec![0; target.length]);
        };
        let mut request = Vec::new();
        client.request(&mut request);
        stream.write_all(&request)?;
        loop {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer)?;
            let is_answered = client.receive(&buffer[..count]);
            stream.write_all(&std::mem::take(&mut client.replies))?;
            if is_answered {
                return Ok(());
            }
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Begins a request. It fits into the socket's buffer, which is empty since the last response.
    fn begin(&mut self, target: &Target, registry: &Registry, now: Instant) -> io::Result<()> {
        self.sent = now;
        self.received = 0;
        if target.traffic == Traffic::Accept {
            let mut stream = TcpStream::connect(target.server)?;
            // Otherwise the ports would run out in a second.
            sys::reset_on_close(&stream)?;
            registry.register(&mut stream, self.token, Interest::READABLE | Interest::WRITABLE)?;
            (self.stream, self.is_connecting) = (Some(stream), true);
            return Ok(());
        }
        self.send(target)
    }

    fn send(&mut self, target: &Target) -> io::Result<()> {
        let stream = self.stream.as_mut().expect("a request has a stream");
        match &mut self.http2 {
            Some(client) => {
                let mut request = Vec::with_capacity(64);
                client.request(&mut request);
                stream.write_all(&request)
            }
            None => stream.write_all(&target.request),
        }
    }

    /// Goes on after an event. Returns whether the response is complete.
    fn progress(&mut self, target: &Target) -> io::Result<bool> {
        let Some(stream) = &mut self.stream else { return Ok(false) };
        if self.is_connecting {
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
            if stream.peer_addr().is_err() {
                return Ok(false);
            }
            self.is_connecting = false;
            self.send(target)?;
        }
        let is_complete = self.receive(target.length)?;
        if is_complete && target.traffic == Traffic::Accept {
            self.stream = None;
        }
        Ok(is_complete)
    }

    /// Reads the bytes that are there. Returns true if they complete a response.
    fn receive(&mut self, length: usize) -> io::Result<bool> {
        let stream = self.stream.as_mut().expect("a request has a stream");
        let mut buffer = [0; 4096];
        loop {
            let count = match stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.received += count;
            let is_complete = match &mut self.http2 {
                None => self.received >= length,
                Some(client) => {
                    let is_answered = client.receive(&buffer[..count]);
                    stream.write_all(&std::mem::take(&mut client.replies))?;
                    is_answered
                }
            };
            if is_complete {
                return Ok(true);
            }
        }
    }
}

/// Finds the length of a response, on a connection of its own.
fn response_length(traffic: Traffic, server: SocketAddr, request: &[u8]) -> io::Result<usize> {
    if traffic != Traffic::Http {
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
