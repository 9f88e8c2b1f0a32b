//! The prices of what two threads do to each other: cache lines and wake-ups.

use super::{super::costs::Costs, REPETITIONS};
use crate::{run::Spread, sys};
use brigade_trace::clock;
use mio::{Events, Poll, Token, Waker};
use std::{
    hint, io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// Round trips of a cache line in one measurement, and how many of a thousand round trips there are.
const TRIPS: u64 = 50;
const SAMPLES: usize = 100;
/// How long a thread gets to fall asleep.
const TO_SLEEP: Duration = Duration::from_micros(300);

/// How often two threads on one core wake each other.
const HAND_OVERS: u64 = 1_000;

/// The lines of a stream.
const LINES: usize = 256;

/// A line of its own, and its neighbour, which the processor may fetch along with it.
#[repr(align(128))]
#[derive(Default)]
struct OwnLine(AtomicU64);

/// How long a line takes from one core to another, alone and in a stream.
///
/// Two cores count up a number by turns. In a round trip the line travels four times: each core fetches it
/// to read the other's number, and again to write its own. In between each of them may write all lines of a
/// stream. The shortest time counts: in that one, neither core was taken away.
pub(super) fn lines(costs: &mut Costs) -> io::Result<()> {
    const END: u64 = u64::MAX;
    let number = Arc::new(OwnLine::default());
    let stream: Arc<Vec<OwnLine>> = Arc::new((0..LINES).map(|_| OwnLine::default()).collect());
    let write_all =
        |stream: &[OwnLine]| stream.iter().for_each(|line| _ = line.0.fetch_add(1, Ordering::Relaxed));
    let (answers, answered) = (number.clone(), stream.clone());
    let partner = on_core(1, move || {
        loop {
            match answers.0.load(Ordering::Acquire) {
                END => return,
                odd if odd % 2 == 1 => {
                    // Every 1000th number asks for the stream.
                    if odd % 1000 == 1 {
                        write_all(&answered);
                    }
                    answers.0.store(odd + 1, Ordering::Release);
                }
                _ => {}
            }
        }
    })?;
    let measured = on_core(0, move || {
        let trip = || {
            let next = number.0.load(Ordering::Relaxed) + 1;
            number.0.store(next, Ordering::Release);
            while number.0.load(Ordering::Acquire) == next {}
        };
        let (mut line, mut fetched) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..SAMPLES {
            trip();
            let ((), time) = clock::timed(|| write_all(&stream));
            fetched = fetched.min(time.as_nanos() as f64 / LINES as f64);
            for _ in 0..(500 - 1) / TRIPS {
                let ((), time) = clock::timed(|| (0..TRIPS).for_each(|_| trip()));
                line = line.min(time.as_nanos() as f64 / TRIPS as f64 / 4.0);
            }
            while number.0.load(Ordering::Relaxed) % 1000 != 0 {
                trip();
            }
        }
        number.0.store(END, Ordering::Release);
        (line, fetched)
    })?;
    (costs.line, costs.stream) = measured.join().map_err(panicked)?;
    partner.join().map_err(panicked)?;
    Ok(())
}

/// The tasks of a measurement: more than the nearest cache holds.
const TASKS: usize = 2_048;

/// The memory of a task: two lines. The first one leads to the next task.
#[repr(align(128))]
#[derive(Default)]
struct TaskMemory {
    next: AtomicUsize,
    state: AtomicU64,
    future: SecondLine,
}

#[repr(align(64))]
#[derive(Default)]
struct SecondLine(AtomicU64);

/// How much longer a core takes for a task that another core wrote last: one after another, since a
/// processor does not look ahead past a task that it runs. So each task says where the next one lies, in no
/// order that a processor could guess.
pub(super) fn remote_tasks(costs: &mut Costs) -> io::Result<()> {
    let tasks: Arc<Vec<TaskMemory>> = Arc::new((0..TASKS).map(|_| TaskMemory::default()).collect());
    // A full cycle: the step has no divisor in common with the number of tasks.
    let write = |tasks: &[TaskMemory]| {
        for (index, task) in tasks.iter().enumerate() {
            task.next.store((index + 997) % TASKS, Ordering::Relaxed);
            task.state.store(0, Ordering::Relaxed);
            task.future.0.store(0, Ordering::Relaxed);
        }
    };
    let run = |tasks: &[TaskMemory]| {
        let ((), time) = clock::timed(|| {
            let mut index = 0;
            for _ in 0..tasks.len() {
                let task = &tasks[index];
                index = task.next.load(Ordering::Relaxed);
                task.state.fetch_add(1, Ordering::AcqRel);
                task.future.0.store(1, Ordering::Relaxed);
            }
            hint::black_box(index);
        });
        time.as_nanos() as f64 / TASKS as f64
    };
    let (orders, ordered) = mpsc::channel::<()>();
    let (answer, answers) = mpsc::channel();
    let theirs = tasks.clone();
    let partner = on_core(1, move || ordered.iter().for_each(|()| _ = answer.send(run(&theirs))))?;
    let measured = on_core(0, move || {
        let (mut own, mut remote) = (Vec::new(), Vec::new());
        for _ in 0..REPETITIONS {
            write(&tasks);
            own.push(run(&tasks));
            write(&tasks);
            if orders.send(()).is_err() {
                break;
            }
            remote.extend(answers.recv());
        }
        (Spread::of(remote).low - Spread::of(own).low).max(0.0)
    })?;
    costs.remote_task = measured.join().map_err(panicked)?;
    partner.join().map_err(panicked)?;
    Ok(())
}

/// Starts a thread on a core, where the system allows that.
fn on_core<T: Send + 'static>(
    core: usize,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    thread::Builder::new().spawn(move || {
        // If it may not choose, the system puts two busy threads on two cores anyway.
        _ = sys::pin(core);
        run()
    })
}

fn panicked<E>(_: E) -> io::Error {
    io::Error::other("a thread of the calibration has panicked")
}

/// The sleeper of [`wake`].
trait Sleeper: Send + 'static {
    fn sleep(&mut self);
}

impl<F: FnMut() + Send + 'static> Sleeper for F {
    fn sleep(&mut self) {
        self();
    }
}

/// The prices of waking a thread: of the call, how long after its begin the sleeper runs, and how long the
/// sleeper is on its core for one sleep.
struct Wake {
    call: f64,
    latency: f64,
    sleep: f64,
}

/// Measures how one thread wakes another.
fn wake(mut sleeper: impl Sleeper, mut call: impl FnMut(&thread::Thread)) -> io::Result<Wake> {
    let (woken, wakes) = mpsc::channel::<(Instant, Duration)>();
    let ends = Arc::new(AtomicBool::new(false));
    let is_ended = ends.clone();
    let is_ready = Arc::new(AtomicBool::new(false));
    let ready = is_ready.clone();
    let partner = on_core(1, move || {
        while !is_ended.load(Ordering::Acquire) {
            let before = sys::cpu_time_of_this_thread();
            ready.store(true, Ordering::Release);
            sleeper.sleep();
            let now = clock::now();
            let cpu = sys::cpu_time_of_this_thread().saturating_sub(before);
            if woken.send((now, cpu)).is_err() {
                break;
            }
        }
    })?;
    let thread = partner.thread().clone();
    let (mut calls, mut latencies, mut sleeps) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..4 * REPETITIONS {
        while !is_ready.swap(false, Ordering::AcqRel) {
            hint::spin_loop();
        }
        let asleep = clock::now() + TO_SLEEP;
        while clock::now() < asleep {
            hint::spin_loop();
        }
        let begin = clock::now();
        call(&thread);
        calls.push(begin.elapsed().as_nanos() as f64);
        let (ran, cpu) = wakes.recv().map_err(panicked)?;
        latencies.push(ran.saturating_duration_since(begin).as_nanos() as f64);
        sleeps.push(cpu.as_nanos() as f64);
    }
    ends.store(true, Ordering::Release);
    drop(wakes);
    call(&thread);
    partner.join().map_err(panicked)?;
    let [call, latency, sleep] = [calls, latencies, sleeps].map(|sample| Spread::of(sample).low);
    Ok(Wake { call, latency, sleep })
}

/// Parking and unparking.
pub(super) fn futex(costs: &mut Costs) -> io::Result<()> {
    let futex = wake(thread::park, thread::Thread::unpark)?;
    costs.unpark = futex.call;
    costs.unpark_latency = futex.latency;
    costs.park = futex.sleep;
    Ok(())
}

/// The time from one thread to the other, where two threads on one core wake each other by turns.
pub(super) fn hand_over() -> io::Result<f64> {
    let own_turn = |turn: &AtomicU64, parity: u64| {
        while turn.load(Ordering::Acquire) % 2 != parity {
            thread::park();
        }
    };
    let turn = Arc::new(AtomicU64::new(0));
    let theirs = turn.clone();
    let measured = on_core(0, move || {
        let first = thread::current();
        let second = on_core(0, move || {
            for _ in 0..HAND_OVERS {
                own_turn(&theirs, 1);
                theirs.fetch_add(1, Ordering::AcqRel);
                first.unpark();
            }
        })?;
        let mut trips = Vec::new();
        for _ in 0..HAND_OVERS {
            let ((), time) = clock::timed(|| {
                turn.fetch_add(1, Ordering::AcqRel);
                second.thread().unpark();
                own_turn(&turn, 0);
            });
            trips.push(time.as_nanos() as f64 / 2.0);
        }
        second.join().map_err(panicked)?;
        Ok(Spread::of(trips).low)
    })?;
    measured.join().map_err(panicked)?
}

/// Sleeping in epoll, and ringing an eventfd.
pub(super) fn bell(costs: &mut Costs) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), Token(0))?;
    let mut events = Events::with_capacity(8);
    let sleeper = move || poll.poll(&mut events, None).expect("an epoll of our own can be polled");
    let bell = wake(sleeper, |_| waker.wake().expect("an eventfd of our own can be written"))?;
    costs.bell = bell.call;
    costs.bell_latency = bell.latency;
    Ok(())
}
