//! Peers that are not workers: they say anything, in well-made frames and in others. The pool gives every
//! call an end, and stays in order itself.

use crate::{
    dice::Dice,
    frame::{self, Decoder, Frame, Kind},
    is_long,
    leftovers::Leftovers,
};
use brigade_process::{Command, Ended, Launched, Launcher, ProcessPool};
use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    thread,
    time::Duration,
};

/// Starts peers, each a thread with dice of its own.
struct Peers {
    started: u64,
    seed: u64,
}

/// A peer, as the pool sees it.
struct Started {
    id: u64,
    channel: UnixStream,
    /// Ends with the peer.
    exit: UnixStream,
    thread: Option<thread::JoinHandle<()>>,
}

impl Launcher for Peers {
    fn start(&mut self, _command: &Command) -> io::Result<Box<dyn Launched>> {
        let ((channel, theirs), (exit, lives)) = (UnixStream::pair()?, UnixStream::pair()?);
        channel.set_nonblocking(true)?;
        theirs.set_read_timeout(Some(Duration::from_millis(20)))?;
        self.started += 1;
        let mut peer = Peer::new(theirs, Dice::new(self.seed << 10 | self.started));
        let thread = thread::spawn(move || {
            // An error is the end of the channel.
            let _ = peer.live();
            drop((peer, lives));
        });
        // Numbers that no process has.
        Ok(Box::new(Started { id: 1 << 30 | self.started, channel, exit, thread: Some(thread) }))
    }
}

impl Launched for Started {
    fn id(&self) -> u32 {
        self.id as u32
    }

    fn channel(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    fn exit(&self) -> Option<BorrowedFd<'_>> {
        Some(self.exit.as_fd())
    }

    fn confirm(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn kill(&mut self) -> io::Result<()> {
        self.channel.shutdown(Shutdown::Both)
    }

    fn wait(&mut self) -> io::Result<Option<Ended>> {
        if self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return Ok(None);
        }
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a peer does not panic");
        }
        Ok(Some(Ended::Exited(3)))
    }
}

/// The peer's side.
struct Peer {
    channel: UnixStream,
    decoder: Decoder,
    dice: Dice,
}

impl Peer {
    fn new(channel: UnixStream, dice: Dice) -> Self {
        Self { channel, decoder: Decoder::default(), dice }
    }

    /// Waits a moment for a frame.
    fn receive(&mut self) -> io::Result<Option<Frame>> {
        let mut space = [0; 4096];
        loop {
            if let Some(frame) = self.decoder.next().map_err(|bad| io::Error::other(bad.to_string()))? {
                return Ok(Some(frame));
            }
            match self.channel.read(&mut space) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(received) => self.decoder.push(&space[..received]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    fn send(&mut self, kind: Kind, call: u64, name: u64, payload: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame::encode(&mut bytes, kind, call, name, 0, payload);
        if self.dice.below(40) == 0 {
            bytes.truncate(self.dice.below(bytes.len() as u64) as usize);
        }
        self.channel.write_all(&bytes)
    }

    fn rave(&mut self) -> io::Result<()> {
        let payload: Vec<u8> = (0..self.dice.below(40)).map(|_| self.dice.next() as u8).collect();
        if self.dice.below(20) == 0 {
            return self.channel.write_all(&payload);
        }
        let kind = Kind::from_byte(self.dice.below(16) as u8).unwrap_or(Kind::Value);
        let name = [0, 1, 2, 1 << 24, u64::MAX][self.dice.below(5) as usize];
        let call = self.dice.below(6);
        self.send(kind, call, name, &payload)
    }

    /// Answers as a good worker would, more or less.
    fn answer(&mut self, frame: &Frame) -> io::Result<()> {
        let items: usize = if frame.kind == Kind::Batch { self.dice.below(12) as usize } else { 1 };
        for item in 0..items {
            self.send(Kind::Begun, frame.call, item as u64, &[])?;
            if self.dice.below(10) == 0 {
                self.rave()?;
            }
            match frame.kind {
                Kind::Batch => {
                    self.send(Kind::Records, frame.call, 0, &[Kind::Value as u8, 1, 0, 0, 0, 7])?
                }
                _ => self.send(Kind::Value, frame.call, 0, &frame.payload)?,
            }
        }
        if frame.kind == Kind::Batch { self.send(Kind::Stop, frame.call, 0, &[]) } else { Ok(()) }
    }

    fn live(&mut self) -> io::Result<()> {
        // The pool begins with its setup, whose first number is the build's fingerprint: the hello begins
        // with it, too.
        let setup = loop {
            if let Some(frame) = self.receive()? {
                break frame.payload;
            }
        };
        let length = setup.iter().position(|byte| byte & 0x80 == 0).map_or(0, |last| last + 1);
        let mut hello = setup[..length].to_vec();
        hello.extend_from_slice(&[1, 0]);
        if self.dice.below(10) == 0 {
            hello[0] ^= 1;
        }
        if self.dice.below(10) > 0 {
            self.send(Kind::Hello, 0, 0, &hello)?;
            self.send(Kind::Ready, 0, 0, &[])?;
        }
        for _ in 0..self.dice.below(40) {
            match self.dice.below(12) {
                0 => self.rave()?,
                _ => {
                    if let Some(frame) = self.receive()? {
                        if frame.kind == Kind::Bye {
                            return Ok(());
                        }
                        self.answer(&frame)?;
                    }
                }
            }
        }
        Ok(())
    }
}

pub(crate) fn peers_that_talk_nonsense_leave_no_call_without_an_end() {
    let before = Leftovers::now();
    let mut answered = 0;
    for seed in 0..if is_long() { 300 } else { 4 } {
        let launcher = Peers { started: 0, seed };
        let procs = ProcessPool::builder().workers(2).launcher(launcher).build().unwrap();
        let handles: Vec<_> = (0..20).map(|n| procs.spawn(|n: u64| n, n)).collect();
        let map = procs.spawn_map(|n: u64| n, 0..50);
        answered += handles.into_iter().map(|handle| u32::from(handle.join().is_ok())).sum::<u32>();
        assert_eq!(map.join().unwrap().len(), 50);
        if seed % 2 == 0 {
            procs.shutdown();
        } else {
            drop(procs);
        }
    }
    assert!(answered > 0, "some answers were good");
    before.wait_for();
}
