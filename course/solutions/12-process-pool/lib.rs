//! Lab 12: a process pool.

use brigade_course_kit::{
    lab12::{Answer, Channel, Child, Function, Garbage, Launcher, Lost, ProcessPool},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
};
use std::{collections::VecDeque, io};

/// The student's pool. Each child has a keeper: a thread that gives it one call after the other.
pub struct Student {
    shared: Arc<Shared>,
    keepers: Vec<JoinHandle<()>>,
}

struct Shared {
    launcher: Launcher,
    queue: Mutex<Queue>,
    /// Keepers wait here for a call, or for the close.
    news: Condvar,
}

#[derive(Default)]
struct Queue {
    calls: VecDeque<(Vec<u8>, Answer)>,
    is_closed: bool,
}

const NO_PANIC: &str = "no thread panics with the lock";

impl Shared {
    /// Waits for a call. Returns `None` when the pool is closed and all calls are taken.
    fn next(&self) -> Option<(Vec<u8>, Answer)> {
        let mut queue = self.queue.lock().expect(NO_PANIC);
        while queue.calls.is_empty() && !queue.is_closed {
            queue = self.news.wait(queue).expect(NO_PANIC);
        }
        queue.calls.pop_front()
    }

    /// The life of a keeper.
    fn keep(&self) {
        let mut child = None;
        while let Some((input, answer)) = self.next() {
            let result = self.carry_out(&mut child, &input);
            answer.complete(result);
        }
        if let Some(child) = child {
            // It reads the end, and ends.
            child.channel().close();
            child.wait();
        }
    }

    /// Has a child carry out a call. A call that no child can have begun goes to another child.
    fn carry_out(&self, child: &mut Option<Child>, input: &[u8]) -> Result<Vec<u8>, Lost> {
        for _ in 0..MAX_CHILDREN_PER_CALL {
            let current = match child.take() {
                Some(child) => child,
                None => self.launcher.launch().map_err(|_| Lost)?,
            };
            let sent = write_all(current.channel(), &Student::encode(input));
            let answer = sent.as_ref().ok().map(|()| read_message(current.channel(), &mut Vec::new()));
            if let Some(Ok(Some(output))) = answer {
                *child = Some(current);
                return Ok(output);
            }
            // It is dead, or talks nonsense.
            current.kill();
            current.wait();
            if sent.is_ok() {
                // It had the whole call. Nobody knows how far it has come.
                return Err(Lost);
            }
        }
        Err(Lost)
    }
}

/// A call is given up when so many children have died before they had it.
const MAX_CHILDREN_PER_CALL: u32 = 4;

fn write_all(channel: &Channel, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = channel.write(bytes)?;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// Reads one message. `buffer` has what came before and keeps what comes after it. Returns `None` at the end.
fn read_message(channel: &Channel, buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let mut place = [0; 4096];
    loop {
        let decoded = Student::decode(buffer).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        if decoded.is_some() {
            return Ok(decoded);
        }
        match channel.read(&mut place)? {
            0 => return Ok(None),
            count => buffer.extend_from_slice(&place[..count]),
        }
    }
}

// A frame: magic, length of the message, checksum of these two, checksum of the message; then the message.
const MAGIC: &[u8; 4] = b"LAB!";
const HEADER: usize = 16;

/// FNV-1a: it finds damage, not malice.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811C_9DC5, mix).to_le_bytes()
}

impl ProcessPool for Student {
    fn encode(message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).expect("a message has less than 4 GiB");
        let mut frame = [&MAGIC[..], &length.to_le_bytes()].concat();
        frame.extend(checksum(&frame));
        frame.extend(checksum(message));
        frame.extend(message);
        frame
    }

    fn decode(bytes: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Garbage> {
        let Some((header, rest)) = bytes.split_at_checked(HEADER) else { return Ok(None) };
        // The header proves itself first: a damaged length would be waited for, perhaps for ever.
        if &header[..4] != MAGIC || header[8..12] != checksum(&header[..8]) {
            return Err(Garbage);
        }
        let length = u32::from_le_bytes(header[4..8].try_into().expect("it has four bytes")) as usize;
        let Some(message) = rest.get(..length) else { return Ok(None) };
        if header[12..] != checksum(message) {
            return Err(Garbage);
        }
        let message = message.to_vec();
        bytes.drain(..HEADER + length);
        Ok(Some(message))
    }

    fn serve(channel: &Channel, function: Function<'_>) {
        let mut buffer = Vec::new();
        // An error is the end as well: the pool is gone, or talks nonsense.
        while let Ok(Some(input)) = read_message(channel, &mut buffer) {
            if write_all(channel, &Self::encode(&function(&input))).is_err() {
                return;
            }
        }
    }

    fn start(launcher: Launcher, children: usize) -> Self {
        let shared = Arc::new(Shared { launcher, queue: Mutex::default(), news: Condvar::new() });
        let keeper = |number| {
            let shared = shared.clone();
            thread::spawn_named(&format!("keeper {number}"), move || shared.keep())
        };
        Self { keepers: (0..children).map(keeper).collect(), shared }
    }

    fn call(&self, input: Vec<u8>, answer: Answer) {
        self.shared.queue.lock().expect(NO_PANIC).calls.push_back((input, answer));
        self.shared.news.notify_one();
    }

    fn shutdown(self) {
        self.shared.queue.lock().expect(NO_PANIC).is_closed = true;
        self.shared.news.notify_all();
        for keeper in self.keepers {
            keeper.join().expect("a keeper does not panic");
        }
    }
}
