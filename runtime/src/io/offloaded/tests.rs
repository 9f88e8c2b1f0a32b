//! Tests of offloaded streams whose calls return the results that the test has set.

use super::{waitable::Waitable, *};
use crate::{driver::source::Direction, run::run};
use std::{
    collections::VecDeque,
    future::poll_fn,
    io::ErrorKind,
    os::fd::BorrowedFd,
    sync::{Mutex, mpsc},
    task::Waker,
};

/// A stream whose calls return the results that the test has set: at most this many bytes, or an error.
/// Without a set result they take all bytes.
#[derive(Default)]
struct Fake {
    bytes: Mutex<Vec<u8>>,
    answers: Mutex<VecDeque<Result<usize, ErrorKind>>>,
    flushes: Mutex<VecDeque<ErrorKind>>,
    /// The directions that were waited for when a call would have blocked.
    waits: Mutex<Vec<Direction>>,
    /// Each call first waits for a message, until the sender is gone.
    gate: Option<Mutex<mpsc::Receiver<()>>>,
}

impl Fake {
    fn answering(answers: impl IntoIterator<Item = Result<usize, ErrorKind>>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() }
    }

    fn gated(mut self) -> (Self, mpsc::Sender<()>) {
        let (open, gate) = mpsc::channel();
        self.gate = Some(Mutex::new(gate));
        (self, open)
    }

    fn answer(&self, len: usize) -> io::Result<usize> {
        if let Some(gate) = &self.gate {
            let _ = gate.lock().unwrap().recv();
        }
        Ok(self.answers.lock().unwrap().pop_front().unwrap_or(Ok(len))?.min(len))
    }

    fn written(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }
}

impl Write for &Fake {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.answer(bytes.len())?;
        self.bytes.lock().unwrap().extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushes.lock().unwrap().pop_front().map_or(Ok(()), |kind| Err(kind.into()))
    }
}

impl Waitable for Fake {
    fn wait(&self, direction: Direction) -> io::Result<()> {
        self.waits.lock().unwrap().push(direction);
        Ok(())
    }

    fn is_readable(&self) -> bool {
        true
    }

    fn is_always_ready(&self) -> bool {
        true
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl Read for &Fake {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let len = self.answer(bytes.len())?;
        bytes[..len].fill(b'r');
        Ok(len)
    }
}

async fn write(stream: &mut Offloaded<Fake>, bytes: &[u8]) -> Result<usize, ErrorKind> {
    poll_fn(|cx| stream.poll_write(cx, bytes)).await.map_err(|error| error.kind())
}

async fn flush(stream: &mut Offloaded<Fake>) -> Result<(), ErrorKind> {
    poll_fn(|cx| stream.poll_flush(cx)).await.map_err(|error| error.kind())
}

async fn read(stream: &mut Offloaded<Fake>, len: usize) -> Result<Vec<u8>, ErrorKind> {
    let mut bytes = vec![0; len];
    let len = poll_fn(|cx| stream.poll_read(cx, &mut bytes)).await.map_err(|error| error.kind())?;
    bytes.truncate(len);
    Ok(bytes)
}

#[test]
fn written_bytes_are_in_order_after_the_flush_however_many_the_stream_takes_at_once() {
    run(async {
        let fake = Fake::answering([Ok(1), Err(ErrorKind::Interrupted), Ok(2)]);
        fake.flushes.lock().unwrap().push_back(ErrorKind::Interrupted);
        let mut stream = Offloaded::new("a fake", fake);
        for bytes in ["abc", "d", "efgh"] {
            assert_eq!(write(&mut stream, bytes.as_bytes()).await, Ok(bytes.len()));
        }
        assert_eq!(flush(&mut stream).await, Ok(()));
        assert_eq!(stream.io().written(), "abcdefgh");
        assert!(stream.io().flushes.lock().unwrap().is_empty(), "the stream itself is flushed too");
        assert_eq!(write(&mut stream, &vec![b'x'; MAX_JOB_BYTES + 1]).await, Ok(MAX_JOB_BYTES));
        assert_eq!(flush(&mut stream).await, Ok(()));
        assert_eq!(stream.io().written().len(), 8 + MAX_JOB_BYTES);
    });
}

#[test]
fn the_error_of_a_write_is_returned_once_by_the_next_call() {
    run(async {
        let mut stream = Offloaded::new("a fake", Fake::answering([Err(ErrorKind::StorageFull), Ok(0)]));
        assert_eq!(write(&mut stream, b"a").await, Ok(1));
        assert_eq!(write(&mut stream, b"b").await, Err(ErrorKind::StorageFull));
        assert_eq!(flush(&mut stream).await, Ok(()));
        assert_eq!(write(&mut stream, b"c").await, Ok(1));
        assert_eq!(flush(&mut stream).await, Err(ErrorKind::WriteZero));
        assert_eq!(flush(&mut stream).await, Ok(()));
        stream.io().flushes.lock().unwrap().push_back(ErrorKind::BrokenPipe);
        assert_eq!(write(&mut stream, b"d").await, Ok(1));
        assert_eq!(
            flush(&mut stream).await,
            Err(ErrorKind::BrokenPipe),
            "the error of the stream's own flush"
        );
        assert_eq!(stream.io().written(), "d", "a write that failed or was refused wrote nothing");
    });
}

#[test]
fn a_write_that_is_dropped_while_it_waits_has_written_nothing() {
    run(async {
        let (fake, open) = Fake::default().gated();
        let mut stream = Offloaded::new("a fake", fake);
        assert_eq!(write(&mut stream, b"a").await, Ok(1));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(stream.poll_write(&mut cx, b"b").is_pending());
        assert!(stream.poll_flush(&mut cx).is_pending());
        drop(open);
        assert_eq!(flush(&mut stream).await, Ok(()));
        assert_eq!(stream.io().written(), "a");
    });
}

#[test]
fn a_read_that_is_dropped_leaves_its_bytes_or_its_error_to_the_next() {
    run(async {
        let (fake, open) = Fake::answering([Ok(3), Err(ErrorKind::TimedOut)]).gated();
        let mut stream = Offloaded::new("a fake", fake);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(stream.poll_read(&mut cx, &mut [0; 8]).is_pending());
        open.send(()).unwrap();
        assert_eq!(flush(&mut stream).await, Ok(()));
        assert_eq!(read(&mut stream, 2).await.as_deref(), Ok(&b"rr"[..]));
        assert_eq!(read(&mut stream, 8).await.as_deref(), Ok(&b"r"[..]));
        assert!(stream.poll_read(&mut cx, &mut [0; 8]).is_pending());
        open.send(()).unwrap();
        assert_eq!(flush(&mut stream).await, Ok(()), "a flush does not return the error of a read");
        drop(open);
        assert_eq!(read(&mut stream, 8).await, Err(ErrorKind::TimedOut));
        stream.io().answers.lock().unwrap().push_back(Err(ErrorKind::TimedOut));
        assert_eq!(read(&mut stream, 2).await, Err(ErrorKind::TimedOut));
        assert_eq!(read(&mut stream, 2).await.as_deref(), Ok(&b"rr"[..]));
        // Written bytes and read bytes share the buffer, one after the other.
        assert_eq!(write(&mut stream, b"w").await, Ok(1));
        assert_eq!(read(&mut stream, 2).await.as_deref(), Ok(&b"rr"[..]));
        assert_eq!(stream.io().written(), "w");
        // The end is not an error, and more bytes may follow it.
        stream.io().answers.lock().unwrap().push_back(Ok(0));
        assert_eq!(read(&mut stream, 2).await.as_deref(), Ok(&b""[..]));
        assert_eq!(read(&mut stream, 2).await.as_deref(), Ok(&b"rr"[..]));
    });
}

#[test]
fn a_write_that_would_block_waits_and_goes_on_where_it_was() {
    run(async {
        let fake = Fake::answering([Ok(2), Err(ErrorKind::WouldBlock), Ok(1), Err(ErrorKind::WouldBlock)]);
        fake.flushes.lock().unwrap().push_back(ErrorKind::WouldBlock);
        let mut stream = Offloaded::new("a fake", fake);
        assert_eq!(write(&mut stream, b"abcdef").await, Ok(6));
        assert_eq!(flush(&mut stream).await, Ok(()));
        assert_eq!(stream.io().written(), "abcdef");
        assert_eq!(*stream.io().waits.lock().unwrap(), [Direction::Write; 3]);
    });
}

#[test]
fn a_read_that_would_block_and_cannot_be_watched_waits_on_its_thread() {
    run(async {
        let answers = [Err(ErrorKind::WouldBlock), Err(ErrorKind::WouldBlock), Ok(3)];
        let mut stream = Offloaded::new("a fake", Fake::answering(answers));
        assert_eq!(read(&mut stream, 8).await.as_deref(), Ok(&b"rrr"[..]));
        assert_eq!(*stream.io().waits.lock().unwrap(), [Direction::Read]);
    });
}
