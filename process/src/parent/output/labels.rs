//! The sinks that print each line where this process prints: with the worker's label in front, or as it is.

use super::{Sink, Stream};
use crate::sys::{self, Watch};
use std::{
    io::{self, Write},
    os::fd::AsFd,
};

/// Makes a sink that prints each line where this process prints, with `[worker 3] ` in front.
pub(crate) fn labels() -> Sink {
    Box::new(|line| {
        let label = format!("[worker {}] ", line.worker);
        print(line.stream, &[label.as_bytes(), line.text, b"\n"].concat());
    })
}

/// Makes a sink that prints each line where this process prints.
pub(crate) fn plain() -> Sink {
    Box::new(|line| {
        let end: &[u8] = if line.continues { b"" } else { b"\n" };
        print(line.stream, &[line.text, end].concat());
    })
}

fn print(stream: Stream, whole: &[u8]) {
    // A stream that is closed takes nothing, and its owner has wished so.
    let _ = match stream {
        Stream::Stdout => print_all(&mut io::stdout().lock(), whole),
        Stream::Stderr => print_all(&mut io::stderr().lock(), whole),
    };
}

fn print_all(stream: &mut (impl Write + AsFd), bytes: &[u8]) -> io::Result<()> {
    let wait = |stream: &mut _| sys::poll(&mut [Watch::writable(AsFd::as_fd(stream))], None);
    write_all(stream, bytes, wait)
}

/// Writes all bytes to a stream that somebody may have made non-blocking: if it is full, waits for it and
/// goes on.
fn write_all<S: Write>(
    stream: &mut S,
    mut bytes: &[u8],
    mut wait: impl FnMut(&mut S) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        // An error means that nothing was taken, and a stream that buffers keeps what it could not flush.
        let done = if bytes.is_empty() { stream.flush().map(|()| 0) } else { stream.write(bytes) };
        match done {
            Ok(0) => return Ok(()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(stream)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that takes a few bytes and then none, until somebody waits for it.
    #[derive(Default)]
    struct Slow {
        taken: Vec<u8>,
        room: usize,
        waits: u32,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            self.taken.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stream_that_does_not_block_is_waited_for() {
        let text: Vec<u8> = (0..100).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let wait = |slow: &mut Slow| {
            (slow.room, slow.waits) = (7, slow.waits + 1);
            Ok(())
        };
        let mut slow = Slow::default();
        write_all(&mut slow, &text, wait).unwrap();
        assert!(slow.taken == text && slow.waits > 10);
        // The standard output buffers lines.
        let mut lines = io::LineWriter::new(Slow::default());
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            write_all(&mut lines, line, |lines| wait(lines.get_mut())).unwrap();
        }
        assert_eq!(lines.get_ref().taken, text);
    }
}
