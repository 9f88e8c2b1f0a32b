//! Tests of a supervisor whose own code panics, and of workers that end as soon as they are ready. The
//! workers are threads that speak frames.

use super::starts::Backoff;
use crate::{
    front::{Builder, ProcessPool},
    image::Image,
    parent::launcher::{Command, Ended, Launched, Launcher},
    wire::{
        frame::{self, Decoder, Kind},
        hello::Hello,
    },
    worker,
};
use brigade_handle::{JoinError, JoinHandle, Lost};
use brigade_trace::clock;
use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

/// How a worker behaves when it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It takes calls and never answers.
    Silent,
    /// It ends.
    Mortal,
}

/// Starts such workers, and counts them.
struct ThreadLauncher(Manner, Arc<AtomicU32>);

struct Thread {
    id: u32,
    channel: UnixStream,
    exit: UnixStream,
    thread: Option<thread::JoinHandle<()>>,
}

impl Launcher for ThreadLauncher {
    fn start(&mut self, _: &Command) -> io::Result<Box<dyn Launched>> {
        let ((channel, theirs), (exit, lives)) = (UnixStream::pair()?, UnixStream::pair()?);
        let id = 1 << 30 | self.1.fetch_add(1, Ordering::Relaxed);
        let manner = self.0;
        let thread = thread::spawn(move || {
            // An error is the end of the channel.
            let _ = live(theirs, manner);
            drop(lives);
        });
        Ok(Box::new(Thread { id, channel, exit, thread: Some(thread) }))
    }
}

fn live(mut channel: UnixStream, manner: Manner) -> io::Result<()> {
    let hello = Hello { fingerprint: Image::get().fingerprint, pid: 1, has_ring: false };
    let mut out = Vec::new();
    frame::encode(&mut out, Kind::Hello, 0, 0, 0, &postcard::to_stdvec(&hello).unwrap());
    frame::encode(&mut out, Kind::Ready, 0, 0, 0, &[]);
    channel.write_all(&out)?;
    if manner == Manner::Mortal {
        return Ok(());
    }
    let (mut decoder, mut space) = (Decoder::default(), [0; 4096]);
    loop {
        match decoder.next().map_err(|bad| io::Error::other(bad.to_string()))? {
            Some(frame) if frame.kind == Kind::Bye => return Ok(()),
            Some(frame) if frame.kind == Kind::Call => {
                let mut begun = Vec::new();
                frame::encode(&mut begun, Kind::Begun, frame.call, 0, 0, &[]);
                channel.write_all(&begun)?;
            }
            Some(_) => {}
            None => match channel.read(&mut space)? {
                0 => return Ok(()),
                received => decoder.push(&space[..received]),
            },
        }
    }
}

impl Launched for Thread {
    fn id(&self) -> u32 {
        self.id
    }

    fn channel(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    fn exit(&self) -> Option<BorrowedFd<'_>> {
        Some(self.exit.as_fd())
    }

    fn confirm(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn kill(&mut self) -> io::Result<()> {
        self.channel.shutdown(Shutdown::Both)
    }

    fn wait(&mut self) -> io::Result<Option<Ended>> {
        if self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return Ok(None);
        }
        self.thread.take().into_iter().for_each(|thread| thread.join().unwrap());
        Ok(Some(Ended::Exited(3)))
    }
}

fn pool(manner: Manner) -> (ProcessPool, Arc<AtomicU32>) {
    // None of these workers is this program.
    worker::init();
    let started = Arc::new(AtomicU32::new(0));
    let launcher = ThreadLauncher(manner, started.clone());
    let builder: Builder = ProcessPool::builder().workers(2).launcher(launcher);
    (builder.build().unwrap(), started)
}

fn assert_is_told<T: std::fmt::Debug>(result: Result<T, JoinError>) {
    match result {
        Err(JoinError::Lost(Lost::Supervisor(why), _)) => assert!(why.contains("sabotaged"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_handle_completes_if_the_supervisor_panics() {
    for round in 0..20 {
        let (procs, _) = pool(Manner::Silent);
        let handles: Vec<JoinHandle<u32>> = (0..5).map(|n| procs.spawn(|n: u32| n, n)).collect();
        let retried = procs.call(|n: u32| n, 1).retry(3).timeout(Duration::from_secs(600)).spawn();
        let map = procs.spawn_map(|n: u32| n, 0..50);
        if round % 2 == 0 {
            while procs.statistics().workers.iter().any(|worker| worker.under_way == 0) {
                thread::yield_now();
            }
        }
        procs.shared().tell(|state| state.sabotaged = true);
        handles.into_iter().for_each(|handle| assert_is_told(handle.join()));
        assert_is_told(retried.join());
        map.join().unwrap().into_iter().for_each(assert_is_told);
        assert_is_told(procs.spawn(|n: u32| n, 1).join());
        match round % 3 {
            0 => procs.shutdown(),
            _ => drop(procs),
        }
    }
}

#[test]
fn workers_that_end_as_soon_as_they_are_ready_are_replaced_with_growing_pauses() {
    let began = clock::now();
    let (procs, started) = pool(Manner::Mortal);
    // The build starts two, and one more follows after each pause of at least 10, 20, 40 and 80 ms. A slow
    // machine only makes the pauses longer.
    while started.load(Ordering::Relaxed) < 2 + 4 {
        thread::yield_now();
    }
    assert!(began.elapsed() >= Duration::from_millis(10 + 20 + 40));
    let told = procs.spawn(|n: u32| n, 1).join().unwrap_err();
    assert!(
        matches!(told, JoinError::Lost(Lost::NotStarted(_) | Lost::Quarantined { workers: 2, .. }, _)),
        "{told}"
    );
    procs.shutdown();
}

#[test]
fn pauses_grow_to_some_seconds_and_no_further() {
    let now = clock::now();
    let mut backoff = Backoff::default();
    let mut pauses = Vec::new();
    for _ in 0..40 {
        backoff.failed("no oven".into(), now);
        pauses.push(backoff.retry.unwrap() - now);
    }
    assert_eq!(pauses[..3], [10, 20, 40].map(Duration::from_millis));
    assert!(pauses.is_sorted() && pauses[39] == Duration::from_millis(5_120));
}
