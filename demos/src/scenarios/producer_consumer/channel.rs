//! A bounded channel between two processes: a connection over loopback, and permits.
//!
//! The producer spends a permit on each item. It begins with as many permits as the channel has room for
//! items, and the consumer sends one back for each item that it takes. So never more items than that are on
//! their way, and a producer without a permit waits.
//!
//! ```text
//!   producer                       consumer
//!   connect     ───── key ─────▶   accept
//!   put         ───── item ────▶   get
//!               ◀─── permit ────
//!   end         ◀── closed ─────   (dropped)
//! ```
//!
//! When a process ends, however it ends, the kernel closes its side of the connection. So each side hears
//! that the other one is gone.

use brigade_trace::{Cause, Domain, Site, Wait, fresh_id};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// How many items are on their way at most.
pub(super) const ROOM_ITEMS: usize = 2;

/// The bytes of an item: 1 and the item in little-endian order, or zeros for the sentinel.
const ITEM_BYTES: usize = 5;

/// The length of a channel's key.
const KEY_BYTES: usize = 16;

/// How long a connection may take to send its key.
const KEY_TIMEOUT: Duration = Duration::from_secs(1);

/// The address of a channel. The key keeps other programs of this machine out of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Address {
    at: SocketAddr,
    key: [u8; KEY_BYTES],
}

/// A channel that waits for its producer.
#[derive(Debug)]
pub(super) struct Listener {
    listener: TcpListener,
    pub(super) address: Address,
}

impl Listener {
    pub(super) fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut address = Address { at: listener.local_addr()?, key: [0; KEY_BYTES] };
        File::open("/dev/urandom")?.read_exact(&mut address.key)?;
        Ok(Self { listener, address })
    }

    /// Waits for the producer.
    pub(super) fn accept(self) -> io::Result<Receiver> {
        loop {
            let mut stream = self.listener.accept()?.0;
            let mut key = [0; KEY_BYTES];
            stream.set_read_timeout(Some(KEY_TIMEOUT))?;
            if stream.read_exact(&mut key).is_ok() && key == self.address.key {
                stream.set_read_timeout(None)?;
                stream.set_nodelay(true)?;
                return Ok(Receiver { stream });
            }
        }
    }
}

impl Address {
    /// Connects as the producer.
    pub(super) fn connect(self) -> io::Result<Sender> {
        let mut stream = TcpStream::connect(self.at)?;
        stream.set_nodelay(true)?;
        stream.write_all(&self.key)?;
        Ok(Sender { stream, permits: ROOM_ITEMS })
    }
}

/// The producer's side.
#[derive(Debug)]
pub(super) struct Sender {
    stream: TcpStream,
    permits: usize,
}

impl Sender {
    /// Puts an item, or the sentinel. Calls `on_full` before it waits for room.
    pub(super) fn put(&mut self, item: Option<u32>, on_full: impl FnOnce()) -> io::Result<()> {
        if self.permits == 0 {
            let mut permits = [0; ROOM_ITEMS];
            let waiting = || begin_wait(on_full, Cause::Room);
            self.permits = read_or_wait(&mut self.stream, &mut permits, waiting)?;
        }
        self.permits -= 1;
        let mut bytes = [0; ITEM_BYTES];
        if let Some(item) = item {
            bytes[0] = 1;
            bytes[1..].copy_from_slice(&item.to_le_bytes());
        }
        self.stream.write_all(&bytes)
    }

    /// Waits until the consumer has taken everything and closed its side.
    pub(super) fn end(mut self) {
        // An error, too, means that the consumer is gone.
        let _ = io::copy(&mut self.stream, &mut io::sink());
    }
}

/// The consumer's side.
#[derive(Debug)]
pub(super) struct Receiver {
    stream: TcpStream,
}

impl Receiver {
    /// Takes the next item, or the sentinel. Calls `on_empty` before it waits for one. Fails if the producer
    /// is gone, and with it the rest of the items.
    pub(super) fn get(&mut self, on_empty: impl FnOnce()) -> io::Result<Option<u32>> {
        let mut bytes = [0; ITEM_BYTES];
        let waiting = || begin_wait(on_empty, Cause::Item);
        let read = read_or_wait(&mut self.stream, &mut bytes, waiting)?;
        self.stream.read_exact(&mut bytes[read..])?;
        // After the sentinel nobody may be there to need the permit.
        let _ = self.stream.write_all(&[1]);
        let [tag, item @ ..] = bytes;
        Ok((tag == 1).then(|| u32::from_le_bytes(item)))
    }
}

/// Tells the reader and a trace that this side waits for the other one.
fn begin_wait(tell: impl FnOnce(), cause: Cause) -> Wait {
    tell();
    Wait::begin(|| fresh_id(Domain::Channel), cause, Site::here())
}

/// Reads what is there. If nothing is there, calls `on_wait` and then waits. Fails at the end of the stream.
fn read_or_wait(
    stream: &mut TcpStream,
    buffer: &mut [u8],
    on_wait: impl FnOnce() -> Wait,
) -> io::Result<usize> {
    stream.set_nonblocking(true)?;
    let at_once = read(stream, buffer);
    stream.set_nonblocking(false)?;
    let length = match at_once {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let mut wait = on_wait();
            let length = read(stream, buffer)?;
            wait.ended(Cause::Queue);
            length
        }
        other => other?,
    };
    if length == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(length) }
}

/// Reads, and tries again after a signal.
fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread};

    /// Both sides of a channel.
    fn channel() -> (Sender, Receiver) {
        let listener = Listener::open().unwrap();
        // The connection waits in the listener's queue until it is accepted.
        let sender = listener.address.connect().unwrap();
        (sender, listener.accept().unwrap())
    }

    fn never() {
        panic!("there is room, or an item");
    }

    #[test]
    fn items_come_in_order_and_then_the_sentinel() {
        let (mut sender, mut receiver) = channel();
        for item in [Some(7), Some(u32::MAX), Some(0), None] {
            sender.put(item, never).unwrap();
            assert_eq!(receiver.get(|| ()).unwrap(), item);
            // Its permit is under way: an empty channel gives it back in time.
            while sender.permits == 0 {
                sender.permits =
                    read_or_wait(&mut sender.stream, &mut [0; ROOM_ITEMS], || Wait::NONE).unwrap();
            }
        }
    }

    #[test]
    fn a_full_channel_makes_the_producer_wait_until_the_consumer_takes() {
        let (mut sender, mut receiver) = channel();
        let (says_full, full) = mpsc::channel();
        let producer = thread::spawn(move || {
            (0..ROOM_ITEMS as u32).for_each(|item| sender.put(Some(item), never).unwrap());
            // The consumer has taken nothing, so this waits: it does so before anything is taken.
            sender.put(Some(9), || says_full.send(()).unwrap()).unwrap();
        });
        full.recv().unwrap();
        for item in (0..ROOM_ITEMS as u32).chain([9]) {
            assert_eq!(receiver.get(|| ()).unwrap(), Some(item));
        }
        producer.join().unwrap();
    }

    #[test]
    fn each_side_hears_that_the_other_is_gone() {
        let (mut sender, receiver) = channel();
        drop(receiver);
        let puts = (0..=ROOM_ITEMS).map(|_| sender.put(None, || ()));
        assert!(puts.last().unwrap().is_err());
        let (mut sender, mut receiver) = channel();
        sender.put(Some(1), never).unwrap();
        drop(sender);
        assert_eq!(receiver.get(|| ()).unwrap(), Some(1));
        assert!(receiver.get(|| ()).is_err());
    }

    #[test]
    fn a_stranger_is_not_taken_for_the_producer() {
        let listener = Listener::open().unwrap();
        let Address { at, key } = listener.address;
        drop(Address { at, key: key.map(|byte| !byte) }.connect().unwrap());
        drop(TcpStream::connect(at).unwrap());
        let mut sender = listener.address.connect().unwrap();
        let mut receiver = listener.accept().unwrap();
        sender.put(Some(1), never).unwrap();
        assert_eq!(receiver.get(|| ()).unwrap(), Some(1));
    }
}
