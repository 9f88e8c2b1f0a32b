//! The prices of system calls.

use super::{super::costs::Costs, REPETITIONS, each, on_this_thread, quartile};
use crate::{run::Spread, sys};
use brigade_trace::clock;
use mio::{Events, Interest, Poll, Token, net::UnixStream};
use std::{
    hint,
    io::{self, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

const SOCKETS: usize = 64;
const MESSAGE: [u8; 64] = [7; 64];
/// Messages there and back in the measurement of two cores.
const ROUND_TRIPS: u64 = 2_000;
/// Heavy fences in one measurement.
const FENCES: u32 = 200;

/// `epoll_wait`, its events, and 64 bytes through a socket that is registered for both directions.
pub(super) fn epoll(costs: &mut Costs) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(2 * SOCKETS);
    let mut pairs = Vec::new();
    for number in 0..SOCKETS {
        let (mut ours, mut theirs) = UnixStream::pair()?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut ours, Token(2 * number), both)?;
        poll.registry().register(&mut theirs, Token(2 * number + 1), both)?;
        pairs.push((ours, theirs));
    }
    let now = Some(Duration::ZERO);
    poll.poll(&mut events, now)?;
    costs.epoll = each(100, || poll.poll(&mut events, now).expect("our own epoll can be polled"));
    let mut bytes = [0; 128];
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    let per_event = quartile(|| {
        let wrote = on_this_thread(|| {
            pairs.iter_mut().for_each(|(ours, _)| {
                ours.write_all(&MESSAGE).expect("an empty socket takes a message");
            });
        });
        let polled = on_this_thread(|| poll.poll(&mut events, now).expect("our own epoll can be polled"));
        let read = on_this_thread(|| {
            pairs.iter_mut().for_each(|(_, theirs)| {
                assert_eq!(theirs.read(&mut bytes).expect("the message is there"), MESSAGE.len());
            });
        });
        writes.push(wrote / SOCKETS as f64);
        reads.push(read / SOCKETS as f64);
        polled / SOCKETS as f64
    });
    costs.epoll_event = (per_event - costs.epoll / SOCKETS as f64).max(0.0);
    costs.write = Spread::of(writes).low;
    costs.read = Spread::of(reads).low;
    let timer = sys::Timerfd::new()?;
    let mut seconds = 1000;
    costs.timerfd = each(100, || {
        seconds += 1;
        timer.set(seconds);
    });
    Ok(())
}

/// Heavy fences: alone, and beside a thread that computes and counts what that costs it.
pub(super) fn fences(costs: &mut Costs) -> io::Result<()> {
    if !sys::membarrier() {
        costs.membarrier = 0.0;
        costs.membarrier_other = 0.0;
        costs.interrupt = 0.0;
        return Ok(());
    }
    costs.membarrier = each(FENCES, || _ = sys::membarrier());
    let (ends, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (is_ended, counts) = (ends.clone(), rounds.clone());
    let other = thread::Builder::new().spawn(move || {
        _ = sys::pin(1);
        while !is_ended.load(Ordering::Relaxed) {
            // One writer: no atomic addition is needed.
            counts.store(counts.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    })?;
    let fenced = thread::Builder::new().spawn(move || {
        _ = sys::pin(0);
        // How many rounds the other thread makes in a nanosecond, undisturbed and while fences come.
        let speed = |step: &mut dyn FnMut()| {
            let before = rounds.load(Ordering::Relaxed);
            let ((), time) = clock::timed(step);
            ((rounds.load(Ordering::Relaxed) - before) as f64, time.as_nanos() as f64)
        };
        let spin = |time: Duration| {
            let end = clock::now() + time;
            while clock::now() < end {
                hint::spin_loop();
            }
        };
        spin(Duration::from_millis(2));
        let (mut fences, mut lost) = (Vec::new(), Vec::new());
        for _ in 0..REPETITIONS {
            let (quiet, quiet_time) = speed(&mut || spin(Duration::from_micros(500)));
            let (rounds, time) = speed(&mut || (0..FENCES).for_each(|_| _ = sys::membarrier()));
            lost.push((time - rounds / (quiet / quiet_time)) / f64::from(FENCES));
            fences.push(time / f64::from(FENCES));
        }
        // The upper quartile: where other load has taken the processor of the other thread, there is nobody
        // to interrupt.
        (Spread::of(fences).high, Spread::of(lost).high)
    })?;
    let measured = fenced.join();
    ends.store(true, Ordering::Relaxed);
    let ended = other.join();
    let panicked = || io::Error::other("a thread of the calibration has panicked");
    let (fence, interrupt) = measured.map_err(|_| panicked())?;
    ended.map_err(|_| panicked())?;
    costs.membarrier_other = (fence - costs.membarrier).max(0.0);
    costs.interrupt = interrupt.max(0.0);
    Ok(())
}

/// Messages between two cores: each core reads what the other wrote, and writes an answer.
pub(super) fn remote(costs: &mut Costs) -> io::Result<()> {
    let poll = Poll::new()?;
    let (mut ours, mut theirs) = UnixStream::pair()?;
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut ours, Token(0), both)?;
    poll.registry().register(&mut theirs, Token(1), both)?;
    let turn = Arc::new(AtomicU64::new(0));
    // Writes at each even number, or at each odd one, and reads at the next.
    let play = |mut socket: UnixStream, first: u64, turn: Arc<AtomicU64>| {
        move || {
            _ = sys::pin(usize::from(first == 1));
            let mut times = Vec::new();
            let mut bytes = [0; 128];
            for round in 0..ROUND_TRIPS {
                while turn.load(Ordering::Acquire) != 2 * round + first {
                    hint::spin_loop();
                }
                let begun = clock::now();
                // There is nothing to read before the first message.
                let read = socket.read(&mut bytes);
                socket.write_all(&MESSAGE).expect("an empty socket takes a message");
                times.push(begun.elapsed().as_nanos() as f64);
                assert!(read.is_ok() || (round, first) == (0, 0), "the message is there");
                turn.store(2 * round + first + 1, Ordering::Release);
            }
            Spread::of(times).low
        }
    };
    let partner = thread::Builder::new().spawn(play(theirs, 1, turn.clone()))?;
    let measured = thread::Builder::new().spawn(play(ours, 0, turn))?;
    let panicked = || io::Error::other("a thread of the calibration has panicked");
    let both = measured.join().map_err(|_| panicked())? + partner.join().map_err(|_| panicked())?;
    costs.remote_socket = (both / 4.0 - (costs.write + costs.read + costs.clock) / 2.0).max(0.0);
    Ok(())
}
