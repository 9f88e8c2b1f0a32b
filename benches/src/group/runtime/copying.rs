//! Copying from one stream to another: through memory, and from a trickle to a slow disk.
//!
//! The trickle and the disk are simulated after tokio's own bench. The reader has 2 KiB each millisecond.
//! The disk has a buffer of 40 KiB, which is written out every 20 ms; one write in ten has to wait for that.

use super::executor::{Brigade, Runtime, Smol, Spawner, Threads, Tokio};
use crate::bench::{Bench, Side, sides, timed};
use brigade_trace::clock;
use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

const CHUNK: usize = 2 * 1024;
const CHUNK_PERIOD: Duration = Duration::from_millis(1);
const DISK_BUFFER: usize = 40 * 1024;
const DISK_PERIOD: Duration = Duration::from_millis(20);
/// Every how many writes one has to wait for the disk, on average.
const WAIT_EVERY: u64 = 10;
/// How much is copied to the slow disk, and through memory.
const TRICKLE_BYTES: u64 = 128 * 1024;
const MEMORY_BYTES: u64 = 4 * 1024 * 1024;

/// A timer that ticks at a fixed rate, made of the runtime's sleeps. The ticks that were missed are not made
/// up for.
struct Ticks {
    period: Duration,
    next: Instant,
    sleep: fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>,
    sleeping: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Ticks {
    fn new<I: Spawner>(period: Duration) -> Self {
        Self { period, next: clock::now(), sleep: |time| Box::pin(I::sleep(time)), sleeping: None }
    }

    /// Returns whether the next tick is due. If not, the task is woken for it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = clock::now();
        if now < self.next {
            let (sleep, left) = (self.sleep, self.next - now);
            if self.sleeping.get_or_insert_with(|| sleep(left)).as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        self.sleeping = None;
        self.next = clock::now() + self.period;
        Poll::Ready(())
    }
}

/// A reader that has a chunk at each tick, and all bytes at once if it does not tick.
struct Source {
    left: u64,
    ticks: Option<Ticks>,
}

impl Source {
    /// Reads up to this many bytes, and returns how many.
    fn poll_take(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<usize> {
        let most = self.left.min(room as u64) as usize;
        let most = match &mut self.ticks {
            Some(ticks) if self.left > 0 => {
                std::task::ready!(ticks.poll(cx));
                most.min(CHUNK)
            }
            _ => most.min(CHUNK),
        };
        self.left -= most as u64;
        Poll::Ready(most)
    }
}

/// A writer with a buffer that is emptied at each tick, or one that takes everything at once.
struct Disk {
    used: usize,
    ticks: Option<Ticks>,
    /// The state of a small generator of pseudorandom numbers.
    random: u64,
}

impl Disk {
    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(ticks) = &mut self.ticks else { return Poll::Ready(()) };
        let tick = ticks.poll(cx);
        if tick.is_ready() {
            self.used = 0;
        }
        tick
    }

    fn poll_put(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<usize> {
        if self.ticks.is_none() {
            return Poll::Ready(bytes);
        }
        let written_out = self.poll_write_out(cx);
        // xorshift64, by Marsaglia.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let room = DISK_BUFFER - self.used;
        if written_out.is_pending() && (room == 0 || self.random.is_multiple_of(WAIT_EVERY)) {
            return Poll::Pending;
        }
        let taken = bytes.min(room);
        self.used += taken;
        Poll::Ready(taken)
    }
}

impl smol::io::AsyncRead for Source {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_take(cx, buf.len()).map(|count| {
            buf[..count].fill(7);
            Ok(count)
        })
    }
}

impl tokio::io::AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_take(cx, buf.remaining()).map(|count| {
            buf.initialize_unfilled_to(count).fill(7);
            buf.advance(count);
            Ok(())
        })
    }
}

impl smol::io::AsyncWrite for Disk {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_put(cx, buf.len()).map(Ok)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_out(cx).map(Ok)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        smol::io::AsyncWrite::poll_flush(self, cx)
    }
}

impl tokio::io::AsyncWrite for Disk {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_put(cx, buf.len()).map(Ok)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_out(cx).map(Ok)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_flush(self, cx)
    }
}

/// The `copy` of a runtime.
trait Copying: Runtime {
    fn copy(source: Source, disk: Disk) -> impl Future<Output = io::Result<u64>> + Send;
}

impl Copying for Brigade {
    async fn copy(mut source: Source, mut disk: Disk) -> io::Result<u64> {
        brigade_runtime::io::copy(&mut source, &mut disk).await
    }
}

impl Copying for Tokio {
    async fn copy(mut source: Source, mut disk: Disk) -> io::Result<u64> {
        tokio::io::copy(&mut source, &mut disk).await
    }
}

impl Copying for Smol {
    async fn copy(source: Source, disk: Disk) -> io::Result<u64> {
        smol::io::copy(source, disk).await
    }
}

fn copied<R: Copying>(bytes: u64, source: Option<Duration>, disk: Option<Duration>) -> Side {
    let runtime = R::start(Threads::Current);
    timed(1, move |iterations| {
        runtime.block_on(async {
            for _ in 0..iterations {
                let ticks = |period: Option<Duration>| period.map(Ticks::new::<R::Spawner>);
                let source = Source { left: bytes, ticks: ticks(source) };
                let disk = Disk { used: 0, ticks: ticks(disk), random: 0x9E37_79B9_7F4A_7C15 };
                assert_eq!(R::copy(source, disk).await.expect("neither side fails"), bytes);
            }
        });
    })
}

/// The benches.
pub(crate) fn benches() -> Vec<Bench> {
    const PERIODS: [(&str, u64, Option<Duration>, Option<Duration>); 4] = [
        ("copy_memory", MEMORY_BYTES, None, None),
        ("copy_trickle", TRICKLE_BYTES, Some(CHUNK_PERIOD), None),
        ("copy_slow_disk", TRICKLE_BYTES, None, Some(DISK_PERIOD)),
        ("copy_trickle_slow_disk", TRICKLE_BYTES, Some(CHUNK_PERIOD), Some(DISK_PERIOD)),
    ];
    let mut benches = Vec::new();
    for (name, bytes, source, disk) in PERIODS {
        let ours = move || copied::<Brigade>(bytes, source, disk);
        let tokio = move || copied::<Tokio>(bytes, source, disk);
        let smol = move || copied::<Smol>(bytes, source, disk);
        benches.push(Bench::new(name, "tokio ct", move || sides(ours(), tokio())).goal(1.0));
        benches.push(Bench::new(name, "smol ct", move || sides(ours(), smol())).goal(1.0));
    }
    benches
}
