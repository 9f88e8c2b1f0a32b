//! The progress of a mode while it runs: one line on standard error, if that is a terminal. It also notes
//! when the workers were ready and when the work was done, and how much CPU time had been spent by then.

use super::{Output, ticker::draw_steadily};
use brigade_trace::clock;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    fmt,
    io::{self, IsTerminal},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// The pause between two drawings of the line.
const REFRESH_INTERVAL: Duration = Duration::from_millis(100);

/// A clock of CPU time.
pub type CpuClock = Box<dyn Fn() -> Duration + Send + Sync>;

/// A progress line. Clones advance the same line, from any thread.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    milestones: Arc<Milestones>,
}

/// The moments at which a mode began, had its workers, and was done.
struct Milestones {
    begin: Moment,
    ready: OnceLock<Moment>,
    done: OnceLock<Moment>,
    cpu: CpuClock,
}

/// A moment on two clocks.
#[derive(Debug, Clone, Copy)]
struct Moment {
    at: Instant,
    cpu: Duration,
}

/// The two parts of a mode.
#[derive(Debug, Clone, Copy)]
pub struct Laps {
    /// How long it took to start the workers.
    pub start: Duration,
    /// How long the work took after that.
    pub work: Duration,
    /// How much CPU time was spent during the work.
    pub work_cpu: Duration,
}

impl Moment {
    fn now(cpu: &CpuClock) -> Self {
        Self { at: clock::now(), cpu: cpu() }
    }
}

impl fmt::Debug for Milestones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { begin, ready, done, cpu: _ } = self;
        f.debug_struct("Milestones")
            .field("begin", begin)
            .field("ready", ready)
            .field("done", done)
            .finish_non_exhaustive()
    }
}

impl Progress {
    /// Begins the line for `total` pieces of work, which spend the time of the clock `cpu`.
    pub fn begin(output: &Output, label: &str, total: usize, cpu: CpuClock) -> Self {
        if output.is_json() || !io::stderr().is_terminal() || super::held::is_held() {
            return Self::of(ProgressBar::hidden(), cpu);
        }
        let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
        // All of it takes fewer than 40 columns, so that no terminal breaks the line.
        let template = "  {msg:<9}  {bar:12}  {pos}/{len}  {elapsed}";
        let style = ProgressStyle::with_template(template).expect("the template names what indicatif has");
        bar.set_style(style.progress_chars("━╸ "));
        bar.set_message(label.to_owned());
        draw_steadily(&bar, REFRESH_INTERVAL);
        Self::of(bar, cpu)
    }

    fn of(bar: ProgressBar, cpu: CpuClock) -> Self {
        let begin = Moment::now(&cpu);
        let milestones = Milestones { begin, ready: OnceLock::new(), done: OnceLock::new(), cpu };
        Self { bar, milestones: Arc::new(milestones) }
    }

    /// Notes that the workers are there, and the work begins.
    pub fn workers_ready(&self) {
        let _ = self.milestones.ready.set(Moment::now(&self.milestones.cpu));
    }

    /// Notes that the last result is there, and only tidying up is left.
    pub fn work_done(&self) {
        let _ = self.milestones.done.set(Moment::now(&self.milestones.cpu));
    }

    /// How long the start of the workers and the work took.
    pub fn laps(&self) -> Laps {
        let Milestones { begin, ready, done, cpu } = &*self.milestones;
        let ready = *ready.get().unwrap_or(begin);
        let done = *done.get_or_init(|| Moment::now(cpu));
        Laps {
            start: ready.at - begin.at,
            work: done.at.saturating_duration_since(ready.at),
            work_cpu: done.cpu.saturating_sub(ready.cpu),
        }
    }

    /// Counts one more piece as done, and hands its result on.
    pub fn tick<R>(&self, result: R) -> R {
        self.bar.inc(1);
        result
    }

    /// Removes the line.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
