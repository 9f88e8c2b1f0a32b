//! The clients: plain threads with blocking sockets, so that no fault of the runtime can hide in them.

use crate::{LARGE, sys};
use std::{
    borrow::Cow,
    fmt,
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

const CLIENTS: u64 = 16;
const VISITS: u64 = 8;

pub(crate) struct Doors {
    pub(crate) patient: SocketAddr,
    pub(crate) impatient: SocketAddr,
}

/// Why a visit was broken off.
#[derive(PartialEq)]
enum Manners {
    /// The client must get the right answer.
    Good,
    /// The server may cut the client off at any time.
    Bad,
}

type Visit = fn(&mut Client) -> io::Result<()>;

/// The things that a client may do, each as often as the others.
const HABITS: [(&str, Manners, Visit); 13] = [
    ("keep alive", Manners::Good, keep_alive),
    ("pipeline", Manners::Good, pipeline),
    ("write slowly", Manners::Good, write_slowly),
    ("read slowly", Manners::Good, read_slowly),
    ("ask and shut", Manners::Good, ask_and_shut),
    ("break off and shut", Manners::Bad, break_off_and_shut),
    ("leave in the head", Manners::Bad, leave_in_the_head),
    ("leave in the body", Manners::Bad, leave_in_the_body),
    ("leave in the answer", Manners::Bad, leave_in_the_answer),
    ("reset", Manners::Bad, reset),
    ("fall silent", Manners::Bad, fall_silent),
    ("not read", Manners::Bad, not_read),
    ("hurry", Manners::Bad, hurry),
];

/// Counts, for each kind of visit, how often it was made and how often the server broke it off, and counts
/// the answers.
#[derive(Default)]
pub(crate) struct Tally {
    visits: [AtomicU64; HABITS.len()],
    cut: [AtomicU64; HABITS.len()],
    answers: AtomicU64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} answers right; visits (cut off):", self.answers)?;
        for ((name, ..), (visits, cut)) in HABITS.iter().zip(self.visits.iter().zip(&self.cut)) {
            write!(f, " {name} {visits:?} ({cut:?}),")?;
        }
        Ok(())
    }
}

/// Has all clients come, some times each, and leave. Then one more client knocks at each door. Connections
/// are accepted in the order in which they came, so all earlier ones were accepted by then.
pub(crate) fn round(number: u64, doors: &Doors, tally: &Tally) {
    thread::scope(|threads| {
        for client in 0..CLIENTS {
            let random = Random(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(number * CLIENTS + client + 1));
            threads.spawn(move || {
                let mut client = Client { random, doors, tally };
                (0..VISITS).for_each(|_| client.visit());
            });
        }
    });
    for door in [doors.patient, doors.impatient] {
        let mut stream = TcpStream::connect(door).unwrap();
        let _ = stream.write_all(b"GET /last HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 16) % end as u64) as usize
    }
}

/// The bytes of a request, and of its right answer.
struct Question {
    bytes: Vec<u8>,
    answer: Cow<'static, [u8]>,
}

impl Question {
    fn get(path: &str) -> Self {
        let answer =
            if path == "/large" { Cow::from(&LARGE[..]) } else { Cow::from(path.as_bytes().to_vec()) };
        Self { bytes: format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes(), answer }
    }

    fn post(length: usize) -> Self {
        let mut bytes =
            format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n").into_bytes();
        let body = &LARGE[..length];
        bytes.extend_from_slice(body);
        let sum: u64 = body.iter().copied().map(u64::from).sum();
        Self { bytes, answer: Cow::from(format!("{length} bytes, sum {sum}").into_bytes()) }
    }

    /// The length of the head.
    fn head(&self) -> usize {
        self.bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4
    }
}

/// Reads the first bytes a few at a time, and the rest as it comes.
struct Sips<'a> {
    stream: &'a TcpStream,
    slow: usize,
}

impl Read for Sips<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.slow == 0 {
            return self.stream.read(bytes);
        }
        thread::yield_now();
        let few = bytes.len().min(7);
        let count = self.stream.read(&mut bytes[..few])?;
        self.slow = self.slow.saturating_sub(count);
        Ok(count)
    }
}

fn reader(stream: &TcpStream, slow: usize) -> BufReader<Sips<'_>> {
    BufReader::with_capacity(64 << 10, Sips { stream, slow })
}

/// Reads a whole line.
fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    if line.ends_with("\r\n") { Ok(line) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// Reads an answer: the right one, or a part of it if it was cut off.
fn expect(from: &mut impl BufRead, answer: &[u8]) -> io::Result<()> {
    assert_eq!(line(from)?, "HTTP/1.1 200 OK\r\n");
    let mut length = None;
    loop {
        let line = line(from)?;
        match line.split_once(": ") {
            Some(("content-length", text)) => length = Some(text.trim().parse().unwrap()),
            Some(_) => {}
            None => break,
        }
    }
    assert_eq!(length, Some(answer.len()));
    let mut rest = answer;
    while !rest.is_empty() {
        let bytes = from.fill_buf()?;
        if bytes.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let count = bytes.len().min(rest.len());
        assert!(bytes[..count] == rest[..count], "other bytes came than were sent");
        from.consume(count);
        rest = &rest[count..];
    }
    Ok(())
}

struct Client<'a> {
    random: Random,
    doors: &'a Doors,
    tally: &'a Tally,
}

impl Client<'_> {
    fn visit(&mut self) {
        let habit = self.random.below(HABITS.len());
        let (name, manners, visit) = &HABITS[habit];
        self.tally.visits[habit].fetch_add(1, Ordering::Relaxed);
        let Err(error) = visit(self) else { return };
        assert!(*manners == Manners::Bad, "{name}: {error}");
        let ends = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::UnexpectedEof];
        assert!(ends.contains(&error.kind()), "{name}: {error}");
        self.tally.cut[habit].fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&mut self, door: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(door).unwrap();
        // A request that is written in pieces is to be sent in pieces.
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn question(&mut self) -> Question {
        match self.random.below(16) {
            0 => Question::get("/large"),
            1..4 => self.long_post(),
            4..8 => Question::get(&format!("/later/{}", self.random.below(1000))),
            _ => Question::get(&format!("/now/{}", self.random.below(1000))),
        }
    }

    fn long_post(&mut self) -> Question {
        let length = 1 + self.random.below(100_000);
        Question::post(length)
    }

    /// Counts an answer that came.
    fn expect(&mut self, from: &mut impl BufRead, answer: &[u8]) -> io::Result<()> {
        expect(from, answer)?;
        self.tally.answers.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Sends a few requests, each after the answer to the one before.
    fn converse(&mut self, door: SocketAddr) -> io::Result<()> {
        let stream = self.enter(door);
        let mut from = reader(&stream, 0);
        for _ in 0..1 + self.random.below(8) {
            let question = self.question();
            (&stream).write_all(&question.bytes)?;
            self.expect(&mut from, &question.answer)?;
        }
        Ok(())
    }
}

fn keep_alive(client: &mut Client) -> io::Result<()> {
    client.converse(client.doors.patient)
}

/// The visit of a client that the server may disconnect at any time.
fn hurry(client: &mut Client) -> io::Result<()> {
    client.converse(client.doors.impatient)
}

/// Sends small requests before any of them is answered.
fn pipeline(client: &mut Client) -> io::Result<()> {
    let stream = client.enter(client.doors.patient);
    let questions: Vec<_> =
        (0..1 + client.random.below(8)).map(|n| Question::get(&format!("/{n}"))).collect();
    (&stream).write_all(&questions.iter().flat_map(|question| question.bytes.clone()).collect::<Vec<_>>())?;
    let mut from = reader(&stream, 0);
    for question in questions {
        client.expect(&mut from, &question.answer)?;
    }
    Ok(())
}

fn write_slowly(client: &mut Client) -> io::Result<()> {
    let mut stream = client.enter(client.doors.patient);
    let question = Question::post(client.random.below(300));
    let mut rest = &question.bytes[..];
    while !rest.is_empty() {
        let (some, more) = rest.split_at(rest.len().min(1 + client.random.below(9)));
        stream.write_all(some)?;
        rest = more;
        thread::yield_now();
    }
    client.expect(&mut reader(&stream, 0), &question.answer)
}

fn read_slowly(client: &mut Client) -> io::Result<()> {
    let mut stream = client.enter(client.doors.patient);
    let question = Question::get("/large");
    stream.write_all(&question.bytes)?;
    let slow = client.random.below(10_000);
    client.expect(&mut reader(&stream, slow), &question.answer)
}

/// Shuts its sending half down, which must not keep it from being answered, and waits for the end.
fn ask_and_shut(client: &mut Client) -> io::Result<()> {
    let mut stream = client.enter(client.doors.patient);
    let question = client.question();
    stream.write_all(&question.bytes)?;
    stream.shutdown(Shutdown::Write)?;
    let mut from = reader(&stream, 0);
    client.expect(&mut from, &question.answer)?;
    assert_eq!(from.read(&mut [0])?, 0, "more came than the answer");
    Ok(())
}

/// Shuts its sending half down in the middle of a request, and waits for the end, which comes without any
/// limit.
fn break_off_and_shut(client: &mut Client) -> io::Result<()> {
    let mut stream = client.enter(client.doors.patient);
    let question = client.long_post();
    stream.write_all(&question.bytes[..client.random.below(question.bytes.len())])?;
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new()).map(drop)
}

fn leave_in_the_head(client: &mut Client) -> io::Result<()> {
    let mut stream = client.enter(client.doors.patient);
    let question = client.question();
    stream.write_all(&question.bytes[..client.random.below(question.head())])
}

fn leave_in_the_body(client: &mut Client) -> io::Result<()> {
    let mut stream = client.enter(client.doors.patient);
    let question = client.long_post();
    let body = question.bytes.len() - question.head();
    stream.write_all(&question.bytes[..question.head() + client.random.below(body)])
}

fn leave_in_the_answer(client: &mut Client) -> io::Result<()> {
    let mut stream = client.enter(client.doors.patient);
    stream.write_all(&Question::get("/large").bytes)?;
    let seen = client.random.below(LARGE.len()) as u64;
    io::copy(&mut stream.take(seen), &mut io::sink()).map(drop)
}

/// Leaves at any time: before its request, within it, or while the answer is written.
fn reset(client: &mut Client) -> io::Result<()> {
    let mut stream = client.enter(client.doors.patient);
    let question = match client.random.below(3) {
        0 => client.long_post(),
        _ => Question::get("/large"),
    };
    let said = client.random.below(2 * question.bytes.len()).min(question.bytes.len());
    stream.write_all(&question.bytes[..said])?;
    if said == question.bytes.len() {
        stream.read_exact(&mut [0])?;
    }
    sys::reset(stream);
    Ok(())
}

/// Falls silent, and waits to be cut off.
fn fall_silent(client: &mut Client) -> io::Result<()> {
    let mut stream = client.enter(client.doors.impatient);
    let question = client.question();
    if client.random.below(3) > 0 {
        stream.write_all(&question.bytes[..client.random.below(question.bytes.len())])?;
    }
    stream.read_to_end(&mut Vec::new()).map(drop)
}

/// Asks for a large answer and reads nothing, until a client that came later was cut off for its silence.
fn not_read(client: &mut Client) -> io::Result<()> {
    let mut stream = client.enter(client.doors.impatient);
    let question = Question::get("/large");
    stream.write_all(&question.bytes)?;
    fall_silent(client)?;
    client.expect(&mut reader(&stream, 0), &question.answer)
}
