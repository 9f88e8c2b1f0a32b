//! One stream of one worker: bytes from a pipe, cut into lines.

use super::{LastWords, Line, MAX_LINE_BYTES, Stream};
use crate::{parent::WorkerKey, system::stream};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

/// How many bytes are read from a pipe before another one gets its turn.
const READ_SHARE_BYTES: usize = 16 << 10;
/// The most bytes that a pipe holds, if it does not tell: the size that Linux lets any process ask for.
const MAX_PIPE_BYTES: usize = 1 << 20;

/// One stream of one worker.
pub(super) struct Source {
    pub(super) key: WorkerKey,
    worker: usize,
    stream: Stream,
    pub(super) pipe: OwnedFd,
    /// A line whose end has not come, or the part of it that has not been given.
    begun: Vec<u8>,
    /// A piece of that line was given.
    is_cut: bool,
    last_words: Option<Arc<LastWords>>,
}

impl Source {
    pub(super) fn new(
        key: WorkerKey,
        worker: usize,
        stream: Stream,
        pipe: OwnedFd,
        last_words: Option<Arc<LastWords>>,
    ) -> Self {
        Self { key, worker, stream, pipe, begun: Vec::new(), is_cut: false, last_words }
    }

    /// Reads a share of the waiting bytes. False at the end of the stream.
    pub(super) fn read_share(&mut self, give: &mut dyn FnMut(Line<'_>)) -> bool {
        self.read(READ_SHARE_BYTES, give).is_some()
    }

    /// Reads what an ended worker has left, which is what the pipe holds now. A grandchild may go on
    /// writing.
    pub(super) fn read_rest(&mut self, give: &mut dyn FnMut(Line<'_>)) {
        let mut left = stream::bytes_waiting(self.pipe.as_fd()).unwrap_or(MAX_PIPE_BYTES);
        while left > 0
            && let Some(read @ 1..) = self.read(left.min(READ_SHARE_BYTES), give)
        {
            left -= read;
        }
    }

    /// Reads up to `most` bytes and returns how many. None at the end of the stream.
    fn read(&mut self, most: usize, give: &mut dyn FnMut(Line<'_>)) -> Option<usize> {
        let mut space = [0; READ_SHARE_BYTES];
        match stream::read(self.pipe.as_fd(), &mut space[..most]) {
            Ok(0) => None,
            Ok(read) => {
                self.take(&space[..read], give);
                Some(read)
            }
            Err(error) => (error.kind() == io::ErrorKind::WouldBlock).then_some(0),
        }
    }

    fn take(&mut self, bytes: &[u8], give: &mut dyn FnMut(Line<'_>)) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (mut text, ends) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            while let Some((piece, rest)) = text.split_at_checked(MAX_LINE_BYTES - self.begun.len())
                && !rest.is_empty()
            {
                self.begun.extend_from_slice(piece);
                self.give_piece(give);
                text = rest;
            }
            self.begun.extend_from_slice(text);
            if ends {
                self.give_line(give);
            }
        }
    }

    /// Gives the bytes so far of a line that goes on.
    fn give_piece(&mut self, give: &mut dyn FnMut(Line<'_>)) {
        give(Line { continues: true, ..self.line() });
        self.begun.clear();
        self.is_cut = true;
    }

    /// Gives the line, or its last piece.
    fn give_line(&mut self, give: &mut dyn FnMut(Line<'_>)) {
        if let Some(words) = &self.last_words {
            words.note(&self.begun);
        }
        give(self.line());
        self.begun.clear();
        self.is_cut = false;
    }

    fn line(&self) -> Line<'_> {
        Line { worker: self.worker, stream: self.stream, text: &self.begun, continues: false }
    }

    /// Gives the last line if it has no end.
    pub(super) fn finish(&mut self, give: &mut dyn FnMut(Line<'_>)) {
        if !self.begun.is_empty() || self.is_cut {
            self.give_line(give);
        }
        if let Some(words) = &self.last_words {
            words.complete();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys;

    /// The lines in these parts of output, each with whether it goes on.
    fn lines(parts: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let (pipe, _) = sys::pipe().unwrap();
        let mut source = Source::new(WorkerKey(1), 0, Stream::Stdout, pipe, None);
        let mut lines = Vec::new();
        let mut give = |line: Line<'_>| lines.push((line.text.to_vec(), line.continues));
        parts.iter().for_each(|part| source.take(part, &mut give));
        source.finish(&mut give);
        assert!(source.begun.capacity() <= 2 * MAX_LINE_BYTES, "no more is kept than a piece");
        lines
    }

    #[test]
    fn lines_end_where_they_end() {
        let whole = |text: &[u8]| (text.to_vec(), false);
        assert_eq!(
            lines(&[b"one\n\ntw", b"o", b"\nthree"]),
            [whole(b"one"), whole(b""), whole(b"two"), whole(b"three")]
        );
        assert!(lines(&[]).is_empty());
        let longest = [b'x'; MAX_LINE_BYTES];
        assert_eq!(lines(&[&longest, b"\n"]), [whole(&longest)]);
        assert_eq!(lines(&[&longest]), [whole(&longest)]);
    }

    #[test]
    fn a_long_line_comes_in_pieces() {
        let long: Vec<u8> = (0..3 * MAX_LINE_BYTES + 5).map(|n| b'a' + (n % 26) as u8).collect();
        for size in [1, 1000, MAX_LINE_BYTES, MAX_LINE_BYTES + 1, long.len()] {
            for end in [&b"\nnext\n"[..], b""] {
                let mut parts: Vec<_> = long.chunks(size).collect();
                parts.push(end);
                let mut found = lines(&parts);
                if !end.is_empty() {
                    assert_eq!(found.pop(), Some((b"next".to_vec(), false)));
                }
                assert!(
                    found.iter().map(|(_, continues)| *continues).eq([true, true, true, false]),
                    "{size}"
                );
                assert!(found[..3].iter().all(|(text, _)| text.len() == MAX_LINE_BYTES), "{size}");
                assert!(found.into_iter().flat_map(|(text, _)| text).eq(long.iter().copied()), "{size}");
            }
        }
    }
}
