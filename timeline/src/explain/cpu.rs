//! How much of a run its thread had a processor for.
//!
//! Between two records of a thread's CPU time, it ran for some wall time and used some CPU time. The rest is
//! time without a processor: the operating system had preempted the thread, or the thread slept in a call
//! that Brigade does not see. It is spread evenly over the runs between the two records.
//!
//! ```text
//!   CPU time      2 ms                    3 ms           1 ms used, 4 ms run: 3 ms without a processor
//!                 ├──── run ────┤ parked ├─ run ─┤
//!   wall              3 ms                  1 ms         2.25 ms in the first run, 0.75 ms in the second
//! ```

use super::strand::{CpuSample, Doing, Strands};

/// The time without a processor up to a moment, for each moment of a thread.
#[derive(Debug, Default)]
struct Absence {
    /// The runs, in order, each with the length of all runs before it.
    runs: Vec<(u64, u64, u64)>,
    /// The records, each with the time without a processor before it: preempted, and asleep.
    samples: Vec<(CpuSample, [u64; 2])>,
}

impl Absence {
    /// The length of all runs before a moment.
    fn run_before(&self, at: u64) -> u64 {
        let next = self.runs.partition_point(|&(begin, ..)| begin < at);
        match next.checked_sub(1).map(|last| self.runs[last]) {
            Some((begin, end, before)) => before.saturating_add(at.min(end).saturating_sub(begin)),
            None => 0,
        }
    }

    /// The length of the runs between two moments. In a damaged file, runs of one thread may overlap.
    fn ran(&self, from: u64, to: u64) -> u64 {
        self.run_before(to).saturating_sub(self.run_before(from))
    }

    fn add_samples(&mut self, samples: &[CpuSample]) {
        let mut sum = [0, 0];
        let mut last: Option<CpuSample> = None;
        for &sample in samples {
            if let Some(last) = last {
                let ran = self.ran(last.at, sample.at);
                let absent = ran.saturating_sub(sample.used.saturating_sub(last.used));
                let sum: &mut u64 = &mut sum[usize::from(sample.has_slept)];
                *sum = sum.saturating_add(absent);
            }
            self.samples.push((sample, sum));
            last = Some(sample);
        }
    }

    /// The time without a processor before a moment: preempted, and asleep.
    fn before(&self, at: u64) -> [u64; 2] {
        let next = self.samples.partition_point(|(sample, _)| sample.at <= at);
        let Some(last) = next.checked_sub(1) else { return [0, 0] };
        let (from, sum) = self.samples[last];
        let Some(&(to, later)) = self.samples.get(next) else { return sum };
        let ran = self.ran(from.at, to.at);
        let here = self.ran(from.at, at).min(ran);
        let share = |kind: usize| {
            let all = u128::from(later[kind].saturating_sub(sum[kind]));
            // At most `all`, so it fits.
            let part = (all * u128::from(here)).checked_div(u128::from(ran)).unwrap_or(0) as u64;
            sum[kind].saturating_add(part)
        };
        [share(0), share(1)]
    }
}

/// The processors that threads had.
#[derive(Debug)]
pub(super) struct Processors(Vec<Absence>);

/// How a part of a run was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) running: u64,
    pub(super) preempted: u64,
    /// Asleep in a call that is not recorded.
    pub(super) asleep: u64,
}

impl Processors {
    pub(super) fn of(strands: &Strands) -> Self {
        let mut threads: Vec<Absence> = strands.threads.iter().map(|_| Absence::default()).collect();
        for strand in strands.all.iter().filter(|strand| strand.id.domain() != brigade_trace::Domain::Future)
        {
            for piece in &strand.pieces {
                if let Doing::Run { thread } = piece.doing {
                    threads[thread].runs.push((piece.begin, piece.end, 0));
                }
            }
        }
        for (absence, thread) in threads.iter_mut().zip(&strands.threads) {
            absence.runs.sort_unstable();
            let mut sum = 0;
            for (begin, end, before) in &mut absence.runs {
                *before = sum;
                sum = sum.saturating_add(end.saturating_sub(*begin));
            }
            absence.add_samples(&thread.cpu);
        }
        Self(threads)
    }

    /// How a part of a run on a thread was spent. The three add up to its length.
    pub(super) fn share(&self, thread: usize, begin: u64, end: u64) -> Share {
        let (before, after) = (self.0[thread].before(begin), self.0[thread].before(end));
        let preempted = after[0].saturating_sub(before[0]).min(end - begin);
        let asleep = after[1].saturating_sub(before[1]).min(end - begin - preempted);
        Share { running: end - begin - preempted - asleep, preempted, asleep }
    }
}
