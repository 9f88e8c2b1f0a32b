//! A stream that blocks, with its calls on the blocking pool: what files and the standard streams have in common.
//!
//! ```text
//!   Idle ── read, seek, another call: a job begins ──> Busy ── the job has ended ──> Idle, with the bytes that it read
//!     └──── write: the bytes are copied, a job begins, and the write is done already ──> Busy
//! ```
//!
//! One job at a time, whatever it does, so calls keep their order. A future that is dropped while its job is queued or runs loses
//! nothing: the next call finds the job, waits for it, and takes over the bytes that it read. A write is done when its bytes are with the
//! job; if that fails, the next call says so, at the latest the flush.

use crate::{
    blocking::spawn_blocking,
    shim::{Mutex, lock},
};
use brigade_handle::JoinHandle;
use std::{
    future::poll_fn,
    io::{self, Read, Seek, SeekFrom, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// How many bytes one job reads or writes at most. A way to the pool and back costs more than a small copy.
const BYTES: usize = 256 * 1024;

/// A stream that blocks, for tasks.
pub(crate) struct Offloaded<T> {
    io: Arc<T>,
    state: State,
    /// Of a write whose future had its answer before.
    failed: Option<io::Error>,
}

enum State {
    Idle(Buffer),
    Busy(JoinHandle<(Buffer, Done)>),
}

/// Where jobs read to and write from; what was read and not yet taken lies in `bytes[taken..]`.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    taken: usize,
}

/// What a job has done.
enum Done {
    Read(io::Result<usize>),
    Write(io::Result<()>),
    Seek(SeekFrom, io::Result<u64>),
    /// Its result is where the one who asked for it finds it.
    Call,
}

impl<T: Send + Sync + 'static> Offloaded<T> {
    pub(crate) fn new(io: T) -> Self {
        Self { io: Arc::new(io), state: State::Idle(Buffer::default()), failed: None }
    }

    /// The stream itself. A job may be using it.
    pub(crate) fn io(&self) -> &Arc<T> {
        &self.io
    }

    /// Whether a read has to begin a job: there is none, and nothing was read ahead.
    pub(crate) fn is_drained(&self) -> bool {
        matches!(&self.state, State::Idle(buffer) if buffer.unread() == 0)
    }

    /// Waits for the job that is under way. Its result, if its future is not there any more to take it, or None.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Done>>> {
        let State::Busy(job) = &mut self.state else {
            return Poll::Ready(self.failed.take().map_or(Ok(None), Err));
        };
        let joined = ready!(Pin::new(job).poll(cx));
        let (buffer, done) = match joined {
            Ok((buffer, done)) => (buffer, Ok(done)),
            // The job never ran, and its buffer is lost with it.
            Err(error) => (Buffer::default(), Err(io::Error::other(error.to_string()))),
        };
        self.state = State::Idle(buffer);
        match done? {
            Done::Write(result) => Poll::Ready(result.map(|()| None)),
            done => Poll::Ready(Ok(Some(done))),
        }
    }

    /// Begins a job. Only when idle.
    fn begin(&mut self, job: impl FnOnce(&T, &mut Buffer) -> Done + Send + 'static) {
        let State::Idle(buffer) = &mut self.state else { unreachable!("one job at a time") };
        let (mut buffer, io) = (std::mem::take(buffer), self.io.clone());
        self.state = State::Busy(spawn_blocking(move || {
            let done = job(&io, &mut buffer);
            (buffer, done)
        }));
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>>
    where
        for<'a> &'a T: Read,
    {
        loop {
            match ready!(self.poll_idle(cx))? {
                // The end, or an error: nothing lies in the buffer.
                Some(Done::Read(Ok(0))) => return Poll::Ready(Ok(0)),
                Some(Done::Read(Err(error))) => return Poll::Ready(Err(error)),
                _ => {}
            }
            let State::Idle(buffer) = &mut self.state else { unreachable!("it was waited for") };
            if bytes.is_empty() || buffer.unread() > 0 {
                return Poll::Ready(Ok(buffer.take(bytes)));
            }
            let len = bytes.len().min(BYTES);
            self.begin(move |mut io, buffer| {
                buffer.clear();
                buffer.bytes.resize(len, 0);
                let read = retry(|| io.read(&mut buffer.bytes));
                buffer.bytes.truncate(*read.as_ref().unwrap_or(&0));
                Done::Read(read)
            });
        }
    }

    /// What was read ahead must have been given back by [`poll_give_back`](Self::poll_give_back) before.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>
    where
        for<'a> &'a T: Write,
    {
        ready!(self.poll_idle(cx))?;
        let State::Idle(buffer) = &mut self.state else { unreachable!("it was waited for") };
        let len = bytes.len().min(BYTES);
        buffer.clear();
        buffer.bytes.extend_from_slice(&bytes[..len]);
        self.begin(|mut io, buffer| {
            // A stream that has a buffer of its own, such as the standard output, is flushed along.
            let written = io.write_all(&buffer.bytes).and_then(|()| retry(|| io.flush()));
            buffer.clear();
            Done::Write(written)
        });
        Poll::Ready(Ok(len))
    }

    /// Waits until no job is under way, and keeps what it read.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(Done::Read(Err(error))) = ready!(self.poll_idle(cx))? {
            // The next call says it.
            self.failed = Some(error);
        }
        Poll::Ready(Ok(()))
    }

    /// Makes a call that neither reads nor writes, after those that are under way. What was read ahead stays.
    ///
    /// A call that is dropped when it has begun is made all the same, before those that come later, and nobody hears of its error.
    pub(crate) async fn call<R: Send + 'static>(
        &mut self,
        call: impl FnOnce(&T) -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        poll_fn(|cx| self.poll_flush(cx)).await?;
        let answer = Arc::new(Mutex::new(None));
        let place = answer.clone();
        self.begin(move |io, _| {
            let result = call(io);
            *lock(&place) = Some(result);
            Done::Call
        });
        // An error only if the job never ran.
        poll_fn(|cx| self.poll_flush(cx)).await?;
        let result = lock(&answer).take();
        result.expect("the job has ended, and left its result")
    }

    /// Goes back to where the last byte was taken, if there are bytes that were read ahead.
    pub(crate) fn poll_give_back(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        for<'a> &'a T: Seek,
    {
        ready!(self.poll_flush(cx))?;
        if self.is_drained() {
            return Poll::Ready(Ok(()));
        }
        self.poll_seek(cx, SeekFrom::Current(0)).map_ok(drop)
    }

    pub(crate) fn poll_seek(&mut self, cx: &mut Context<'_>, to: SeekFrom) -> Poll<io::Result<u64>>
    where
        for<'a> &'a T: Seek,
    {
        loop {
            match ready!(self.poll_idle(cx))? {
                Some(Done::Seek(asked, result)) if asked == to => return Poll::Ready(result),
                _ => {}
            }
            self.begin(move |mut io, buffer| {
                let ahead = buffer.unread() as i64;
                buffer.clear();
                let corrected = match to {
                    SeekFrom::Current(by) => SeekFrom::Current(by - ahead),
                    to => to,
                };
                Done::Seek(to, io.seek(corrected))
            });
        }
    }
}

impl Buffer {
    fn clear(&mut self) {
        self.bytes.clear();
        self.taken = 0;
    }

    fn unread(&self) -> usize {
        self.bytes.len() - self.taken
    }

    fn take(&mut self, bytes: &mut [u8]) -> usize {
        let len = bytes.len().min(self.unread());
        bytes[..len].copy_from_slice(&self.bytes[self.taken..self.taken + len]);
        self.taken += len;
        len
    }
}

/// Calls again while a signal interrupts.
fn retry<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(all(test, not(loom)))]
// A test fails by panicking, in what it calls as well.
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::run;
    use std::{
        collections::VecDeque,
        future::poll_fn,
        io::ErrorKind,
        sync::{Mutex, mpsc},
        task::Waker,
    };

    /// A stream whose calls end as they are told to: with so many bytes at most, or with an error. Told nothing, they take all.
    #[derive(Default)]
    struct Fake {
        bytes: Mutex<Vec<u8>>,
        answers: Mutex<VecDeque<Result<usize, ErrorKind>>>,
        flushes: Mutex<VecDeque<ErrorKind>>,
        /// Each call waits for a word first, until nobody can say one any more.
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
    fn what_is_written_is_there_after_the_flush_in_order_whatever_the_stream_takes_at_once() {
        run(async {
            let fake = Fake::answering([Ok(1), Err(ErrorKind::Interrupted), Ok(2)]);
            fake.flushes.lock().unwrap().push_back(ErrorKind::Interrupted);
            let mut stream = Offloaded::new(fake);
            for bytes in ["abc", "d", "efgh"] {
                assert_eq!(write(&mut stream, bytes.as_bytes()).await, Ok(bytes.len()));
            }
            assert_eq!(flush(&mut stream).await, Ok(()));
            assert_eq!(stream.io().written(), "abcdefgh");
            assert!(stream.io().flushes.lock().unwrap().is_empty(), "the stream is flushed along");
            assert_eq!(write(&mut stream, &vec![b'x'; BYTES + 1]).await, Ok(BYTES));
            assert_eq!(flush(&mut stream).await, Ok(()));
            assert_eq!(stream.io().written().len(), 8 + BYTES);
        });
    }

    #[test]
    fn a_write_that_fails_is_told_once_by_the_next_call() {
        run(async {
            let mut stream = Offloaded::new(Fake::answering([Err(ErrorKind::StorageFull), Ok(0)]));
            assert_eq!(write(&mut stream, b"a").await, Ok(1));
            assert_eq!(write(&mut stream, b"b").await, Err(ErrorKind::StorageFull));
            assert_eq!(flush(&mut stream).await, Ok(()));
            assert_eq!(write(&mut stream, b"c").await, Ok(1));
            assert_eq!(flush(&mut stream).await, Err(ErrorKind::WriteZero));
            assert_eq!(flush(&mut stream).await, Ok(()));
            stream.io().flushes.lock().unwrap().push_back(ErrorKind::BrokenPipe);
            assert_eq!(write(&mut stream, b"d").await, Ok(1));
            assert_eq!(flush(&mut stream).await, Err(ErrorKind::BrokenPipe), "of the stream's own flush");
            assert_eq!(stream.io().written(), "d", "what failed, or was refused, wrote nothing");
        });
    }

    #[test]
    fn a_write_that_is_dropped_while_it_waits_has_written_nothing() {
        run(async {
            let (fake, open) = Fake::default().gated();
            let mut stream = Offloaded::new(fake);
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
            let mut stream = Offloaded::new(fake);
            let mut cx = Context::from_waker(Waker::noop());
            assert!(stream.poll_read(&mut cx, &mut [0; 8]).is_pending());
            open.send(()).unwrap();
            assert_eq!(flush(&mut stream).await, Ok(()));
            assert_eq!(read(&mut stream, 2).await.as_deref(), Ok(&b"rr"[..]));
            assert_eq!(read(&mut stream, 8).await.as_deref(), Ok(&b"r"[..]));
            assert!(stream.poll_read(&mut cx, &mut [0; 8]).is_pending());
            open.send(()).unwrap();
            assert_eq!(flush(&mut stream).await, Ok(()), "that is no matter of writing");
            drop(open);
            assert_eq!(read(&mut stream, 8).await, Err(ErrorKind::TimedOut));
            stream.io().answers.lock().unwrap().push_back(Err(ErrorKind::TimedOut));
            assert_eq!(read(&mut stream, 2).await, Err(ErrorKind::TimedOut));
            assert_eq!(read(&mut stream, 2).await.as_deref(), Ok(&b"rr"[..]));
            // What is written is not what is read.
            assert_eq!(write(&mut stream, b"w").await, Ok(1));
            assert_eq!(read(&mut stream, 2).await.as_deref(), Ok(&b"rr"[..]));
            assert_eq!(stream.io().written(), "w");
            // The end is no error, and may be followed by more.
            stream.io().answers.lock().unwrap().push_back(Ok(0));
            assert_eq!(read(&mut stream, 2).await.as_deref(), Ok(&b""[..]));
            assert_eq!(read(&mut stream, 2).await.as_deref(), Ok(&b"rr"[..]));
        });
    }
}
