//! The messages to a child: bytes of frames, and descriptors that go along with some of them.

use super::Child;
use crate::{
    call::block::{Inner, attachments},
    system::{descriptors, stream},
    wire::frame::{self, Kind},
};
use std::{io, sync::Arc};

/// How often a channel is given bytes in one turn: a child that takes all of them at once must not keep the
/// others waiting.
const SENDS_PER_TURN: u32 = 16;

/// Descriptors that go along with a frame.
pub(super) struct Attached {
    /// Where the frame begins among the bytes that are to be sent.
    at: usize,
    blocks: Vec<Arc<Inner>>,
}

impl Child {
    /// Sends the descriptors of the blocks that call `number` names, which the child has asked for.
    pub(crate) fn send_attachments(&mut self, number: u64, blocks: Vec<Arc<Inner>>) {
        let count = u8::try_from(blocks.len()).unwrap_or(u8::MAX);
        self.attachments.push_back(Attached { at: self.outgoing.len(), blocks });
        frame::encode(&mut self.outgoing, Kind::Attachments, number, 0, count, &[]);
        self.flush();
    }

    /// Sends what the channel takes. The system's error shows again when the channel is read, so it is not
    /// reported here. The launcher's would not.
    pub(crate) fn flush(&mut self) {
        if !self.connected || self.outgoing.is_empty() {
            return;
        }
        for _ in 0..SENDS_PER_TURN {
            match self.send_piece() {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.raw_os_error().is_none() => return self.break_off(&error),
                Err(_) => self.sent = self.outgoing.len(),
            }
            if self.sent == self.outgoing.len() {
                break;
            }
        }
        if self.sent < self.outgoing.len() {
            return;
        }
        self.outgoing.clear();
        self.attachments.clear();
        self.sent = 0;
        // A large argument's buffer is not kept.
        self.outgoing.shrink_to(64 << 10);
    }

    /// Sends bytes up to the next frame with descriptors, or with it.
    fn send_piece(&mut self) -> io::Result<usize> {
        let channel = self.process.channel()?;
        let rest = &self.outgoing[self.sent..];
        let Some(attached) = self.attachments.front() else { return stream::send_at_once(channel, rest) };
        if attached.at > self.sent {
            return stream::send_at_once(channel, &rest[..attached.at - self.sent]);
        }
        let end = self.attachments.get(1).map_or(rest.len(), |next| next.at - self.sent);
        let sent =
            descriptors::send_at_once(channel, &rest[..end], &attachments::descriptors(&attached.blocks));
        let sent = match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            // For example, too many descriptors are on their way. The child sees that they are missing.
            Err(_) => stream::send_at_once(channel, &rest[..end])?,
            Ok(sent) => sent,
        };
        self.attachments.pop_front();
        Ok(sent)
    }
}
