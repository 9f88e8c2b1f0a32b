//! The memory monitor of a worker whose memory the pool cannot check, since the worker runs behind a
//! command: on another machine perhaps, or in another namespace of process ids. A thread looks at this
//! process's memory while a call runs. If it is too much, the thread tells the pool, which ends the
//! command.

use crate::{
    sys::{self, Watch},
    system::stream,
    usage,
    wire::{
        frame::{self, Kind},
        setup::Reason,
    },
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

/// How often the memory is looked at while a call runs.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// No call runs: the channel is the worker's.
const IDLE: u8 = 0;
/// A call runs, and the worker says nothing.
const RUNNING: u8 = 1;
/// The pool is told that the call takes too much: the channel is the memory monitor's, and the worker sends
/// nothing any more.
const TOLD: u8 = 2;

/// The worker's side.
pub(super) struct MemoryMonitor(Arc<AtomicU8>);

impl MemoryMonitor {
    /// Checks this process from now on. Frames go to `output`.
    pub(super) fn new(limit: u64, output: OwnedFd) -> io::Result<Self> {
        let state = Arc::new(AtomicU8::new(IDLE));
        let theirs = state.clone();
        let check_memory = move || {
            loop {
                thread::park_timeout(CHECK_INTERVAL);
                let is_running = theirs.load(Ordering::Relaxed) == RUNNING;
                if is_running
                    && usage::own_resident().is_ok_and(|bytes| bytes > limit)
                    && tell(&theirs, &output)
                {
                    return;
                }
            }
        };
        super::thread::start("brigade-memory", check_memory)?;
        Ok(Self(state))
    }

    /// Notes that a call begins.
    pub(super) fn begin(&self) {
        // Release pairs with the Acquire in `tell`: the worker's frames come before the memory monitor's.
        self.0.store(RUNNING, Ordering::Release);
    }

    /// Notes that the call has ended. If it took too much, the pool is about to end this process, and the
    /// worker sends nothing more.
    pub(super) fn end(&self) {
        // Relaxed: on failure nothing follows.
        let ended = self.0.compare_exchange(RUNNING, IDLE, Ordering::Relaxed, Ordering::Relaxed);
        while ended.is_err() {
            thread::park();
        }
    }
}

/// Tells the pool, if the call still runs. Returns whether it did.
fn tell(state: &AtomicU8, output: &OwnedFd) -> bool {
    // RUNNING => TOLD takes the channel.
    if state.compare_exchange(RUNNING, TOLD, Ordering::Acquire, Ordering::Relaxed).is_err() {
        return false;
    }
    let mut bytes = Vec::new();
    frame::encode(&mut bytes, Kind::Leaving, 0, Reason::Memory as u64, 0, &[]);
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        match stream::send(output.as_fd(), rest) {
            Ok(sent) => rest = &rest[sent..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let _ = sys::poll(&mut [Watch::writable(output.as_fd())], None);
            }
            // The pool is gone, which the watcher sees, too.
            Err(_) => break,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Read, os::unix::net::UnixStream};

    #[test]
    fn a_call_that_takes_too_much_is_told_once_and_the_worker_says_nothing_more() {
        let (mut pool, worker) = UnixStream::pair().unwrap();
        let memory_monitor = MemoryMonitor::new(1, worker.into()).unwrap();
        memory_monitor.begin();
        let mut frame = [0; frame::HEADER_BYTES];
        pool.read_exact(&mut frame).unwrap();
        let mut decoder = frame::Decoder::default();
        decoder.push(&frame);
        let frame = decoder.next().unwrap().unwrap();
        assert_eq!((frame.kind, frame.name), (Kind::Leaving, Reason::Memory as u64));
        // The thread has closed its end.
        assert_eq!(pool.read(&mut [0]).unwrap(), 0);
        assert!(
            memory_monitor.0.compare_exchange(RUNNING, IDLE, Ordering::Relaxed, Ordering::Relaxed).is_err()
        );
    }
}
