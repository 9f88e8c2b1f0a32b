//! Descriptors of blocks, which travel beside frames where `/proc` does not show them.

use super::Worker;
use crate::{
    sys::{self, Watch},
    system::descriptors::{self, PassedDescriptors},
    wire::frame::{self, Kind},
};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

impl Worker {
    /// Sends a frame, and descriptors along with it. An error may mean that they cannot be sent; then
    /// nothing was sent.
    pub(crate) fn send_along(
        &mut self,
        kind: Kind,
        call: u64,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        self.flush()?;
        let mut bytes = Vec::with_capacity(frame::HEADER_BYTES + payload.len());
        let count = u8::try_from(fds.len()).map_err(io::Error::other)?;
        frame::encode(&mut bytes, kind, call, 0, count, payload);
        loop {
            match descriptors::send(self.channel.output(), &bytes, fds) {
                Ok(sent) => return self.send_all(&bytes[sent..]),
                // As in `send_all`.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sys::poll(&mut [Watch::writable(self.channel.output())], None)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks for the descriptors of the blocks that a call names, and waits for them. None if they did not
    /// come along.
    pub(crate) fn fetch(&mut self, call: u64) -> io::Result<Option<PassedDescriptors>> {
        self.send(Kind::Fetch, call, 0, &[])?;
        let mut along = None;
        loop {
            while let Some(frame) = self.decoder.next().map_err(|bad| io::Error::other(bad.to_string()))? {
                if frame.kind == Kind::Attachments && frame.call == call {
                    return Ok(along);
                }
                self.others.push_back(frame);
            }
            let received = match descriptors::receive(self.channel.input().as_fd(), &mut self.space) {
                Ok((received, came)) => {
                    along = came.or(along);
                    received
                }
                // As in `send_all`.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sys::poll(&mut [Watch::readable(self.channel.input().as_fd())], None)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.take_in(received);
        }
    }
}
