//! Copying from one stream to another, or between two streams in both directions.

use crate::task::budget;
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The size of the buffer, in bytes: at most this many have been read and not yet written.
const COPY_BUFFER_BYTES: usize = 16 * 1024;
/// The buffer begins at a multiple of this, the size of a cache line. Bytes are filled in and taken out by
/// wide stores and loads, and one that lies across two lines takes twice the time.
const COPY_BUFFER_ALIGN: usize = 64;

/// Copies until the reader ends, flushes the writer, and returns the number of bytes.
///
/// At most 16 KiB have been read and not yet written, so a slow writer slows the reader down. While the
/// writer is pending, the reader goes on up to that limit. Whenever the reader is pending and everything
/// is written, the writer is flushed, so no bytes stay in its buffer for long. Streams that are always
/// ready let other tasks run now and then.
///
/// # Errors
///
/// Those of reading and writing, and [`WriteZero`](io::ErrorKind::WriteZero) if the writer takes no bytes.
/// An error of the reader comes after the bytes that it read before are written.
///
/// # Cancellation
///
/// Bytes that were read and not yet written are lost.
///
/// ```
/// use brigade_runtime::{io::{copy, pipe}, run};
///
/// run(async {
///     let (mut reader, mut writer) = pipe()?;
///     assert_eq!(copy(&mut &b"hello"[..], &mut writer).await?, 5);
///     drop(writer);
///     let mut all = Vec::new();
///     copy(&mut reader, &mut all).await?;
///     assert_eq!(all, b"hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub async fn copy<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut copy = CopyBuffer::new();
    poll_fn(|cx| copy.poll(cx, reader, writer)).await
}

/// Copies between two streams in both directions at once, as a proxy does. Returns the number of bytes that
/// went from the first to the second, and the number that went back.
///
/// When one stream ends, the writing direction of the other is closed, and the opposite direction
/// continues. The future is ready when both directions have ended. Each direction behaves like [`copy`].
///
/// # Errors
///
/// The first error of reading, writing or closing, and [`WriteZero`](io::ErrorKind::WriteZero) if a writer
/// takes no bytes. It ends both directions.
///
/// # Cancellation
///
/// Bytes that were read and not yet written are lost.
///
/// ```
/// use brigade_runtime::{io::copy_bidirectional, net::unix::UnixStream, run, spawn};
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
///
/// run(async {
///     let ((mut client, mut front), (mut back, mut server)) = (UnixStream::pair()?, UnixStream::pair()?);
///     let proxy = spawn(async move { copy_bidirectional(&mut front, &mut back).await });
///     client.write_all(b"ping").await?;
///     client.close().await?;
///     let mut asked = String::new();
///     server.read_to_string(&mut asked).await?;
///     server.write_all(b"pong!").await?;
///     drop(server);
///     let mut answered = String::new();
///     client.read_to_string(&mut answered).await?;
///     assert_eq!((asked.as_str(), answered.as_str()), ("ping", "pong!"));
///     assert_eq!(proxy.await.unwrap()?, (4, 5));
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub async fn copy_bidirectional<A, B>(first: &mut A, second: &mut B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    let (mut there, mut back) =
        (CopyDirection::Copying(CopyBuffer::new()), CopyDirection::Copying(CopyBuffer::new()));
    poll_fn(|cx| {
        // Polls both directions, before either may make this pending.
        let (there, back) = (there.poll(cx, first, second)?, back.poll(cx, second, first)?);
        Poll::Ready(Ok((ready!(there), ready!(back))))
    })
    .await
}

/// The state of one direction.
enum CopyDirection {
    Copying(CopyBuffer),
    /// The reader has ended after this many bytes, and the writer is being closed.
    Closing(u64),
    /// Both are closed, after this many bytes.
    Ended(u64),
}

impl CopyDirection {
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, reader: &mut R, writer: &mut W) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        loop {
            *self = match self {
                Self::Copying(copy) => Self::Closing(ready!(copy.poll(cx, reader, writer))?),
                Self::Closing(total) => {
                    ready!(Pin::new(&mut *writer).poll_close(cx))?;
                    Self::Ended(*total)
                }
                Self::Ended(total) => return Poll::Ready(Ok(*total)),
            }
        }
    }
}

/// One copy in progress: `buffer[written..filled]` has been read and not yet written.
///
/// While the writer is pending, the reader fills the rest of the buffer. So a slow writer gets large writes,
/// and a reader that has bytes now and then is not kept waiting by the writer.
struct CopyBuffer {
    /// The buffer, and what lies before its first cache line.
    memory: Box<[u8]>,
    start: usize,
    filled: usize,
    written: usize,
    /// Whether the writer has been flushed since the last write.
    flushed: bool,
    /// Whether the reader has ended, by its end or by an error.
    ended: bool,
    /// The error of the reader, which comes after the bytes that it read before.
    failed: Option<io::Error>,
    /// How many bytes have been read in all.
    total: u64,
}

impl CopyBuffer {
    fn new() -> Self {
        let memory = vec![0; COPY_BUFFER_BYTES + COPY_BUFFER_ALIGN - 1].into_boxed_slice();
        // This may not know, and says a large number then.
        let start = memory.as_ptr().align_offset(COPY_BUFFER_ALIGN).min(COPY_BUFFER_ALIGN - 1);
        Self { memory, start, filled: 0, written: 0, flushed: true, ended: false, failed: None, total: 0 }
    }

    fn buffer(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..][..COPY_BUFFER_BYTES]
    }

    fn poll<R, W>(&mut self, cx: &mut Context<'_>, reader: &mut R, writer: &mut W) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        loop {
            ready!(budget::poll(cx));
            if self.written < self.filled {
                let (written, filled) = (self.written, self.filled);
                let rest = &self.buffer()[written..filled];
                match Pin::new(&mut *writer).poll_write(cx, rest)? {
                    Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(written) => self.written += written,
                    Poll::Pending => return self.read_ahead(cx, reader),
                }
                self.flushed = false;
                // A write that empties the buffer is free: the read before it was paid for.
                if self.written < self.filled {
                    budget::spend();
                }
            } else if let Some(error) = self.failed.take() {
                return Poll::Ready(Err(error));
            } else if self.ended {
                ready!(self.poll_flush(cx, writer))?;
                return Poll::Ready(Ok(self.total));
            } else {
                (self.filled, self.written) = (0, 0);
                if self.poll_fill(cx, reader).is_pending() {
                    ready!(self.poll_flush(cx, writer))?;
                    return Poll::Pending;
                }
                budget::spend();
            }
        }
    }

    /// Reads into the rest of the buffer while the writer is pending. It is always pending.
    fn read_ahead<R, T>(&mut self, cx: &mut Context<'_>, reader: &mut R) -> Poll<T>
    where
        R: AsyncRead + Unpin + ?Sized,
    {
        while !self.ended && self.has_room() {
            ready!(budget::poll(cx));
            ready!(self.poll_fill(cx, reader));
            budget::spend();
        }
        Poll::Pending
    }

    /// Returns whether there is room behind the bytes that were read. If it is at the other end and worth
    /// the move, the bytes move there.
    fn has_room(&mut self) -> bool {
        let (written, filled) = (self.written, self.filled);
        if filled == COPY_BUFFER_BYTES && written >= COPY_BUFFER_BYTES / 2 {
            self.buffer().copy_within(written.., 0);
            (self.filled, self.written) = (filled - written, 0);
        }
        self.filled < COPY_BUFFER_BYTES
    }

    /// Reads once into the room behind the bytes that were read, and notes the end of the reader.
    fn poll_fill<R: AsyncRead + Unpin + ?Sized>(&mut self, cx: &mut Context<'_>, reader: &mut R) -> Poll<()> {
        let filled = self.filled;
        match ready!(Pin::new(reader).poll_read(cx, &mut self.buffer()[filled..])) {
            Ok(read) => {
                self.filled += read;
                self.total += read as u64;
                self.ended = read == 0;
            }
            Err(error) => (self.failed, self.ended) = (Some(error), true),
        }
        Poll::Ready(())
    }

    fn poll_flush<W: AsyncWrite + Unpin + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
    ) -> Poll<io::Result<()>> {
        if !self.flushed {
            ready!(Pin::new(writer).poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }
}
