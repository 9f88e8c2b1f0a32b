//! Where jobs read to and write from. It goes with the job, and comes back with its result.

use super::{
    JobOutcome,
    waitable::{Waitable, read_blocking, retry_interrupted},
    watch::ReadMode,
};
use std::io::{self, Read};

/// What was read and not yet taken lies in `bytes[taken..]`.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    taken: usize,
    /// What jobs have found out about the stream.
    pub(super) read_mode: ReadMode,
}

impl Buffer {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.taken = 0;
    }

    pub(super) fn unread(&self) -> usize {
        self.bytes.len() - self.taken
    }

    pub(super) fn take(&mut self, bytes: &mut [u8]) -> usize {
        let len = bytes.len().min(self.unread());
        bytes[..len].copy_from_slice(&self.bytes[self.taken..self.taken + len]);
        self.taken += len;
        len
    }

    /// Takes in what is to be written.
    pub(super) fn fill(&mut self, bytes: &[u8]) {
        self.clear();
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn unwritten(&self) -> &[u8] {
        &self.bytes
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
        // One that is watched was readable when the job began.
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
