//! Measures the prices of the steps on this machine.
//!
//! Each is measured alone, in a small loop of its own, and never in one of the shapes that are predicted. The
//! lower quartile of many repetitions counts, because other load only makes them longer.

mod executors;
mod kernel;
mod threads;

use super::{costs::Costs, real::leaf_length};
use crate::{run::Spread, sys};
use brigade_trace::clock;
use std::{io, time::Duration};

/// How often each measurement is repeated.
const REPETITIONS: usize = 31;

/// Measures all prices. This takes a second or two.
///
/// # Errors
///
/// Returns an error if the machine has only one processor for this process, or if the system refuses a thread
/// or a descriptor.
pub fn calibrate() -> io::Result<Costs> {
    if std::thread::available_parallelism()?.get() < 2 {
        return Err(io::Error::other(
            "what a cache line costs is measured between two processors, and this process may use one: run it without taskset",
        ));
    }
    let mut costs = Costs::REFERENCE;
    threads::lines(&mut costs)?;
    costs.clock = each(1000, || _ = std::hint::black_box(clock::now()));
    costs.pause = each(1000, std::hint::spin_loop);
    costs.yielding = each(1000, std::thread::yield_now);
    threads::remote_tasks(&mut costs)?;
    threads::futex(&mut costs)?;
    costs.hand_over = threads::hand_over()?;
    threads::bell(&mut costs)?;
    kernel::epoll(&mut costs)?;
    kernel::remote(&mut costs)?;
    kernel::fences(&mut costs)?;
    executors::runtime(&mut costs)?;
    executors::pool(&mut costs)?;
    // A second time: the machine under this one may have put the two processors elsewhere meanwhile.
    let first = (costs.line, costs.stream);
    threads::lines(&mut costs)?;
    (costs.line, costs.stream) = (first.0.min(costs.line), first.1.min(costs.stream));
    Ok(costs)
}

/// The prices that change while a program runs: what two cores do to each other (lines, the memory of tasks,
/// wake-ups), and how fast a core is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Changing(Costs);

impl Changing {
    /// Measures them once.
    pub(super) fn measure() -> io::Result<Self> {
        let mut costs = Costs { leaf: leaf_length(), ..Costs::REFERENCE };
        threads::lines(&mut costs)?;
        threads::remote_tasks(&mut costs)?;
        threads::futex(&mut costs)?;
        Ok(Self(costs))
    }

    /// The lower quartile of each price.
    pub(super) fn low(all: &[Self]) -> Self {
        let low = |price: fn(&Costs) -> f64| Spread::of(all.iter().map(|Self(costs)| price(costs))).low;
        Self(Costs {
            leaf: low(|costs| costs.leaf),
            line: low(|costs| costs.line),
            stream: low(|costs| costs.stream),
            remote_task: low(|costs| costs.remote_task),
            unpark: low(|costs| costs.unpark),
            unpark_latency: low(|costs| costs.unpark_latency),
            park: low(|costs| costs.park),
            ..Costs::REFERENCE
        })
    }

    /// Puts these prices in the place of those in `costs`.
    pub(super) fn put_into(self, costs: &mut Costs) {
        let Costs { leaf, line, stream, remote_task, unpark, unpark_latency, park, .. } = self.0;
        *costs = Costs { leaf, line, stream, remote_task, unpark, unpark_latency, park, ..*costs };
    }
}

/// Measures something `times` times in a row, again and again. Returns the price of one, in nanoseconds of
/// this thread's CPU time.
fn each(times: u32, mut step: impl FnMut()) -> f64 {
    quartile(|| on_this_thread(|| (0..times).for_each(|_| step())) / f64::from(times))
}

/// The CPU time that this thread takes for `step`, in nanoseconds. Other load on the machine does not count.
fn on_this_thread(step: impl FnOnce()) -> f64 {
    let watch = CpuWatch::start();
    step();
    watch.nanos()
}

/// Measures the CPU time of this thread, without the time that reading its clock takes.
#[derive(Clone, Copy)]
struct CpuWatch(Duration);

impl CpuWatch {
    fn start() -> Self {
        Self(sys::cpu_time_of_this_thread())
    }

    /// Returns the nanoseconds since the start.
    fn nanos(self) -> f64 {
        let read = || sys::cpu_time_of_this_thread();
        let now = read();
        // Reading twice tells what reading takes.
        let reading = read().saturating_sub(now);
        now.saturating_sub(self.0).saturating_sub(reading).as_nanos() as f64
    }
}

/// The lower quartile of what `measure` returns: a disturbance makes a step only longer.
fn quartile(mut measure: impl FnMut() -> f64) -> f64 {
    measure();
    Spread::of((0..REPETITIONS).map(|_| measure())).low
}
