//! Copying between streams that are not ready at the same time.

use brigade_runtime::io::copy;
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

/// A list of the answers of a stream to its next polls. After the last one it is ready for everything.
struct Script(VecDeque<Step>);

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Pending,
    /// Takes or gives up to this many bytes.
    Bytes(usize),
    Fail,
}

/// A reader of the bytes 0, 1, 2 and so on.
struct Reader {
    script: Script,
    given: usize,
    left: usize,
}

#[derive(Default)]
struct Writer {
    script: VecDeque<Step>,
    taken: Vec<u8>,
    /// The largest write that was asked for.
    largest: usize,
}

impl Script {
    fn next(&mut self) -> Step {
        self.0.pop_front().unwrap_or(Step::Bytes(usize::MAX))
    }
}

impl Reader {
    fn new(left: usize, steps: impl IntoIterator<Item = Step>) -> Self {
        Self { script: Script(steps.into_iter().collect()), given: 0, left }
    }
}

impl AsyncRead for Reader {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let most = match self.script.next() {
            Step::Pending => return Poll::Pending,
            Step::Fail => return Poll::Ready(Err(io::Error::other("the reader fails"))),
            Step::Bytes(most) => most,
        };
        let count = most.min(room.len()).min(self.left);
        for (place, number) in room[..count].iter_mut().zip(self.given..) {
            *place = number as u8;
        }
        self.given += count;
        self.left -= count;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Writer {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.largest = self.largest.max(bytes.len());
        let most = match self.script.pop_front().unwrap_or(Step::Bytes(usize::MAX)) {
            Step::Pending => return Poll::Pending,
            Step::Fail => return Poll::Ready(Err(io::Error::other("the writer fails"))),
            Step::Bytes(most) => most,
        };
        let count = most.min(bytes.len());
        self.taken.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls the copy until it is ready, and at most so often.
fn finish(reader: &mut Reader, writer: &mut Writer) -> io::Result<u64> {
    let mut copying = pin!(copy(reader, writer));
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(result) = copying.as_mut().poll(&mut cx) {
            return result;
        }
    }
    panic!("the copy does not end");
}

fn is_counted_up(bytes: &[u8]) -> bool {
    bytes.iter().zip(0_usize..).all(|(byte, number)| *byte == number as u8)
}

#[test]
fn the_reader_goes_on_while_the_writer_is_pending_until_the_buffer_is_full() {
    let mut reader = Reader::new(100_000, [Step::Bytes(1000); 50]);
    let mut writer = Writer { script: [Step::Pending; 3].into(), ..Writer::default() };
    {
        let mut copying = pin!(copy(&mut reader, &mut writer));
        assert!(copying.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!((reader.given, writer.taken.len()), (16 * 1024, 0), "one buffer was read, nothing written");
}

#[test]
fn what_was_read_ahead_is_written_at_once() {
    let mut reader = Reader::new(10_000, [Step::Bytes(1000); 20]);
    let mut writer = Writer { script: [Step::Pending].into(), ..Writer::default() };
    assert_eq!(finish(&mut reader, &mut writer).unwrap(), 10_000);
    assert_eq!(writer.largest, 10_000);
    assert!(is_counted_up(&writer.taken));
}

#[test]
fn bytes_keep_their_order_whichever_side_is_pending() {
    // A small generator of pseudorandom numbers makes the steps.
    let mut random = 1_u64;
    let mut steps = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match (random >> 33) % 4 {
            0 => Step::Pending,
            _ => Step::Bytes(1 + (random >> 40) as usize % 20_000),
        }
    };
    for total in [1, 5_000, 16 * 1024, 16 * 1024 + 1, 300_000] {
        let mut reader = Reader::new(total, (0..200).map(|_| steps()));
        let mut writer = Writer { script: (0..200).map(|_| steps()).collect(), ..Writer::default() };
        assert_eq!(finish(&mut reader, &mut writer).unwrap(), total as u64);
        assert_eq!(writer.taken.len(), total);
        assert!(is_counted_up(&writer.taken));
    }
}

#[test]
fn an_error_of_the_reader_comes_after_what_it_read_before() {
    let mut reader = Reader::new(10_000, [Step::Bytes(1000), Step::Bytes(1000), Step::Fail]);
    let mut writer = Writer { script: [Step::Pending].into(), ..Writer::default() };
    assert_eq!(finish(&mut reader, &mut writer).unwrap_err().to_string(), "the reader fails");
    assert_eq!(writer.taken.len(), 2000);
}

#[test]
fn an_error_of_the_writer_ends_the_copy() {
    let mut reader = Reader::new(10_000, []);
    let mut writer = Writer { script: [Step::Pending, Step::Fail].into(), ..Writer::default() };
    assert_eq!(finish(&mut reader, &mut writer).unwrap_err().to_string(), "the writer fails");
}
