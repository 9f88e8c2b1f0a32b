//! The door: how the pool tells a worker that dials back from all other connections.
//!
//! A port is open to all processes that can reach it: to scanners, to connections that stay silent, to a
//! worker that has the wrong port. So a connection begins with a token that only this worker was told, and
//! the door lets in the first connection that shows it. It has a thread of its own, so that strangers take
//! nobody else's time, however many they are.
//!
//! # The cost of a stranger
//!
//! 1. A descriptor and [`TOKEN_BYTES`] bytes, for [`PROOF_TIMEOUT`] at most.
//! 2. There are at most [`MAX_UNPROVEN`] of them at a time. The one that has said nothing for longest makes
//!    room for the next.
//! 3. A turn of the thread lets in [`ACCEPTS_PER_TURN`] and then looks at all of them.
//!
//! In a storm of connections the worker may be among those that have to make room. It dials again
//! (`wire/channel.rs`).

use crate::{
    sys::{self, Watch},
    system::stream,
    wire::{channel::TOKEN_BYTES, handover::start_error},
};
use brigade_trace::clock;
use std::{
    collections::VecDeque,
    fmt::Write,
    fs::File,
    hint::black_box,
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// How long a connection may take to show the token.
const PROOF_TIMEOUT: Duration = Duration::from_secs(5);
/// How many unproven connections are open at a time.
const MAX_UNPROVEN: usize = 64;
/// How many connections are accepted before all are looked at.
const ACCEPTS_PER_TURN: usize = 16;
/// The pause after the system has refused to accept a connection.
const REFUSAL_PAUSE: Duration = Duration::from_millis(10);
/// How much memory the thread's stack takes, in bytes.
const STACK_BYTES: usize = 64 << 10;

/// A door for one worker. Dropping it closes it.
pub(super) struct DialBack {
    address: SocketAddr,
    /// Its other end is the thread's, and ends when the worker was let in.
    knock: UnixStream,
    found: mpsc::Receiver<TcpStream>,
    /// How many connections were sent away.
    refused: Arc<AtomicU32>,
    thread: Option<thread::JoinHandle<()>>,
}

impl DialBack {
    /// Opens a door at this address for a connection that shows the token. An unspecified address stands
    /// for the loopback.
    pub(super) fn open(address: IpAddr, token: &Token) -> io::Result<Self> {
        let address = match address {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            other => other,
        };
        let listener = TcpListener::bind((address, 0)).map_err(|error| start_error(error, "listen"))?;
        listener.set_nonblocking(true).map_err(|error| start_error(error, "ioctl(FIONBIO)"))?;
        let address = listener.local_addr().map_err(|error| start_error(error, "getsockname"))?;
        let (knock, owner) = UnixStream::pair().map_err(|error| start_error(error, "socketpair"))?;
        let (tell, found) = mpsc::sync_channel(1);
        let refused = Arc::new(AtomicU32::new(0));
        let unproven = VecDeque::new();
        let mut doorkeeper =
            Doorkeeper { listener, owner, token: *token, unproven, refused: refused.clone() };
        let thread = thread::Builder::new().name("brigade-door".into()).stack_size(STACK_BYTES);
        let thread = thread.spawn(move || {
            // The receiver is there, or nobody waits. Then the doorkeeper ends, and with it the other end of
            // `knock`.
            doorkeeper.wait().into_iter().for_each(|worker| _ = tell.send(worker));
        });
        let thread =
            thread.map_err(|error| start_error(error, "a thread for the door that it dials back to"))?;
        Ok(Self { address, knock, found, refused, thread: Some(thread) })
    }

    /// Where to connect.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Becomes readable when the worker was let in.
    pub(super) fn knock(&self) -> BorrowedFd<'_> {
        self.knock.as_fd()
    }

    /// The worker's connection, once it was let in.
    pub(super) fn admitted(&self) -> io::Result<Option<TcpStream>> {
        match self.found.try_recv() {
            Ok(worker) => Ok(Some(worker)),
            Err(mpsc::TryRecvError::Empty) => Ok(None),
            Err(mpsc::TryRecvError::Disconnected) => Err(io::Error::other("the door's thread has ended")),
        }
    }

    /// How many connections were sent away.
    pub(super) fn refused(&self) -> u32 {
        // Relaxed: for an error's text.
        self.refused.load(Ordering::Relaxed)
    }
}

impl Drop for DialBack {
    fn drop(&mut self) {
        // The thread waits for this among other things, and for nothing else. An error means that it has
        // gone.
        let _ = self.knock.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell.
            let _ = thread.join();
        }
    }
}

/// A secret that nobody can guess: 128 bits, as text.
#[derive(Clone, Copy)]
pub(super) struct Token([u8; TOKEN_BYTES]);

impl Token {
    pub(super) fn new() -> io::Result<Self> {
        let mut bytes = [0; TOKEN_BYTES / 2];
        File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut bytes))
            .map_err(|error| start_error(error, "/dev/urandom"))?;
        let text = bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        Ok(Self(text.into_bytes().try_into().expect("two digits stand for a byte")))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether these bytes are the token. The comparison takes the same time for all bytes, wherever they
    /// differ.
    fn is_shown(&self, shown: &[u8; TOKEN_BYTES]) -> bool {
        let differences = self.0.iter().zip(shown).fold(0, |all, (a, b)| all | black_box(a ^ b));
        black_box(differences) == 0
    }
}

/// The thread's side.
struct Doorkeeper {
    listener: TcpListener,
    /// Ends when nobody waits for the worker any more.
    owner: UnixStream,
    token: Token,
    /// Connections that have not shown the token, the oldest first.
    unproven: VecDeque<Unproven>,
    refused: Arc<AtomicU32>,
}

/// A connection that has not shown the token.
struct Unproven {
    stream: TcpStream,
    shown: [u8; TOKEN_BYTES],
    length: usize,
    since: Instant,
}

/// The decision on an unproven connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Wait,
    Refuse,
    LetIn,
}

impl Doorkeeper {
    /// Waits for the worker. None if nobody waits any more.
    fn wait(&mut self) -> Option<TcpStream> {
        loop {
            let deadline = self.unproven.front().map(|oldest| oldest.since + PROOF_TIMEOUT);
            let mut watched =
                vec![Watch::hang_up(self.owner.as_fd()), Watch::readable(self.listener.as_fd())];
            watched.extend(self.unproven.iter().map(|unproven| Watch::readable(unproven.stream.as_fd())));
            // An error would be a bug in the list of descriptors. Then each connection is asked in turn.
            let _ =
                sys::poll(&mut watched, deadline.map(|time| time.saturating_duration_since(clock::now())));
            if watched[0].is_ready() {
                return None;
            }
            if let Some(worker) = self.listen().or_else(|| self.accept()) {
                // If this fails, the use of the channel shows it.
                let _ = worker.set_nonblocking(true);
                let _ = worker.set_nodelay(true);
                return Some(worker);
            }
        }
    }

    /// Reads from all unproven connections, and closes those whose time is over.
    fn listen(&mut self) -> Option<TcpStream> {
        let now = clock::now();
        for _ in 0..self.unproven.len() {
            let mut unproven = self.unproven.pop_front()?;
            match unproven.listen(&self.token) {
                Verdict::LetIn => return Some(unproven.stream),
                Verdict::Wait if now < unproven.since + PROOF_TIMEOUT => self.unproven.push_back(unproven),
                Verdict::Wait | Verdict::Refuse => self.refuse(),
            }
        }
        None
    }

    /// Accepts new connections, a bounded number at a time.
    fn accept(&mut self) -> Option<TcpStream> {
        for _ in 0..ACCEPTS_PER_TURN {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    // The connection has gone already, or there are no more descriptors: the oldest
                    // unproven connection gives its own back.
                    self.make_room();
                    let mut owner = [Watch::hang_up(self.owner.as_fd())];
                    let _ = sys::poll(&mut owner, Some(REFUSAL_PAUSE));
                    break;
                }
            };
            let mut unproven = Unproven { stream, shown: [0; TOKEN_BYTES], length: 0, since: clock::now() };
            match unproven.listen(&self.token) {
                Verdict::LetIn => return Some(unproven.stream),
                Verdict::Refuse => self.refuse(),
                Verdict::Wait => {
                    if self.unproven.len() == MAX_UNPROVEN {
                        self.make_room();
                    }
                    self.unproven.push_back(unproven);
                }
            }
        }
        None
    }

    /// Closes the oldest unproven connection.
    fn make_room(&mut self) {
        if self.unproven.pop_front().is_some() {
            self.refuse();
        }
    }

    fn refuse(&self) {
        // Relaxed: for an error's text.
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

impl Unproven {
    /// Reads what the connection sends. It gets no reply about a token before the whole of it was shown.
    fn listen(&mut self, token: &Token) -> Verdict {
        match stream::receive_at_once(self.stream.as_fd(), &mut self.shown[self.length..]) {
            Ok(0) => Verdict::Refuse,
            Ok(received) => {
                self.length += received;
                match (self.length == TOKEN_BYTES, token.is_shown(&self.shown)) {
                    (true, true) => Verdict::LetIn,
                    (true, false) => Verdict::Refuse,
                    (false, _) => Verdict::Wait,
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Verdict::Wait,
            Err(_) => Verdict::Refuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn open() -> (DialBack, Token) {
        let token = Token::new().unwrap();
        (DialBack::open(Ipv4Addr::LOCALHOST.into(), &token).unwrap(), token)
    }

    fn connect(door: &DialBack, says: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(door.address()).unwrap();
        stream.write_all(says).unwrap();
        stream
    }

    /// The connection that is let in.
    fn wait(door: &DialBack) -> TcpStream {
        sys::poll(&mut [Watch::readable(door.knock())], None).unwrap();
        door.admitted().unwrap().expect("the door has told that the worker is in")
    }

    /// Whether the connection was ended by the door, with or without a reset.
    fn is_sent_away(mut stream: TcpStream) -> bool {
        matches!(stream.read(&mut [0]), Ok(0) | Err(_))
    }

    #[test]
    fn the_worker_is_let_in_after_any_number_of_strangers() {
        let (door, token) = open();
        let mut unproven = Vec::new();
        for n in 0..3 * MAX_UNPROVEN {
            unproven.push(connect(&door, &[]));
            unproven.push(connect(&door, &token.bytes()[..n % TOKEN_BYTES]));
            drop(connect(&door, &token.bytes()[..n % TOKEN_BYTES]));
        }
        // The oldest made room and were closed.
        assert!(unproven.drain(..MAX_UNPROVEN).all(is_sent_away));
        let mut wrong = *token.bytes().first_chunk::<TOKEN_BYTES>().unwrap();
        for at in 0..TOKEN_BYTES {
            wrong[at] ^= 1;
            assert!(is_sent_away(connect(&door, &wrong)), "byte {at} is wrong");
            wrong[at] ^= 1;
        }
        assert!(is_sent_away(connect(&door, b"GET / HTTP/1.1\r\nHost: kitchen.example\r\n\r\n")));
        assert!(door.admitted().unwrap().is_none() && door.refused() > 0);
        // It may dribble, and what follows the token is the channel's.
        let mut worker = connect(&door, &token.bytes()[..5]);
        worker.write_all(&token.bytes()[5..]).unwrap();
        worker.write_all(b"hello").unwrap();
        let mut found = wait(&door);
        found.set_nonblocking(false).unwrap();
        let mut hello = [0; 5];
        found.read_exact(&mut hello).unwrap();
        assert_eq!(&hello, b"hello");
        // Nobody else is heard any more.
        assert!(unproven.into_iter().all(is_sent_away));
        assert!(TcpStream::connect(door.address()).is_err());
    }

    #[test]
    fn a_door_that_is_dropped_is_closed() {
        let (door, token) = open();
        let (silent, address) = (connect(&door, &[]), door.address());
        drop(door);
        assert!(is_sent_away(silent));
        assert!(TcpStream::connect(address).is_err());
        let (door, token) = (DialBack::open(Ipv4Addr::UNSPECIFIED.into(), &token).unwrap(), token);
        assert!(door.address().ip().is_loopback());
        connect(&door, token.bytes());
        drop(door);
    }
}
