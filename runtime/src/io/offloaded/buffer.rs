//! The buffer that jobs read to and write from. It moves to the job, and comes back with the outcome.

use super::{
    JobOutcome,
    waitable::{Waitable, read_blocking, retry_interrupted},
    watch::ReadMode,
};
use std::io::{self, Read};

/// The bytes of one job: `bytes[taken..]` was read and not yet taken.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    taken: usize,
    /// The bytes that are to be written. Read bytes that cannot be given back stay beside them.
    unwritten: Vec<u8>,
    /// Whether a seek has found that the stream has no position.
    pub(super) is_unseekable: bool,
    /// How the stream is read, as far as jobs have found out.
    pub(super) read_mode: ReadMode,
}

impl Buffer {
    /// Drops the read bytes.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.taken = 0;
    }

    /// Returns how many bytes were read and not yet taken.
    pub(super) fn unread(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Moves read bytes to `bytes`, and returns how many.
    pub(super) fn take(&mut self, bytes: &mut [u8]) -> usize {
        let len = bytes.len().min(self.unread());
        bytes[..len].copy_from_slice(&self.bytes[self.taken..self.taken + len]);
        self.taken += len;
        len
    }

    /// Stores bytes that are to be written.
    pub(super) fn fill(&mut self, bytes: &[u8]) {
        self.unwritten.clear();
        self.unwritten.extend_from_slice(bytes);
    }

    /// Returns the bytes that are to be written.
    pub(super) fn unwritten(&self) -> &[u8] {
        &self.unwritten
    }

    /// Reads up to `len` bytes, in a job.
    pub(super) fn read<T: Waitable>(&mut self, io: &T, len: usize) -> JobOutcome
    where
        for<'a> &'a T: Read,
    {
        if self.read_mode == ReadMode::Unknown {
            self.read_mode = if io.is_always_ready() { ReadMode::Always } else { ReadMode::Watchable };
        }
        self.clear();
        // A watched stream was readable when the job began.
        if self.read_mode == ReadMode::Watchable && !io.is_readable() {
            return JobOutcome::NothingToRead;
        }
        self.bytes.resize(len, 0);
        let mut stream = io;
        let read = match self.read_mode {
            ReadMode::Unwatchable => read_blocking(io, &mut self.bytes),
            _ => retry_interrupted(|| stream.read(&mut self.bytes)),
        };
        self.bytes.truncate(*read.as_ref().unwrap_or(&0));
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => JobOutcome::NothingToRead,
            read => JobOutcome::Read(read),
        }
    }
}
