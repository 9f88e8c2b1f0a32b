//! The progress of a mode while it runs: one line on standard error, if that is a terminal. It also notes
//! when the workers were ready and when the work was done.

use super::{Output, ticker::draw_steadily};
use brigade_trace::clock;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, IsTerminal},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// The pause between two drawings of the line.
const REFRESH_INTERVAL: Duration = Duration::from_millis(100);

/// A progress line. Clones advance the same line, from any thread.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    milestones: Arc<Milestones>,
}

/// The times at which a mode began, had its workers, and was done.
#[derive(Debug)]
struct Milestones {
    begin: Instant,
    ready: OnceLock<Instant>,
    done: OnceLock<Instant>,
}

/// The two parts of a mode.
#[derive(Debug, Clone, Copy)]
pub struct Laps {
    /// How long it took to start the workers.
    pub start: Duration,
    /// How long the work took after that.
    pub work: Duration,
}

impl Progress {
    /// Begins the line for `total` pieces of work.
    pub fn begin(output: &Output, label: &str, total: usize) -> Self {
        if output.is_json() || !io::stderr().is_terminal() {
            return Self::of(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
        // All of it takes fewer than 40 columns, so that no terminal breaks the line.
        let template = "  {msg:<9}  {bar:12}  {pos}/{len}  {elapsed}";
        let style = ProgressStyle::with_template(template).expect("the template names what indicatif has");
        bar.set_style(style.progress_chars("━╸ "));
        bar.set_message(label.to_owned());
        draw_steadily(&bar, REFRESH_INTERVAL);
        Self::of(bar)
    }

    fn of(bar: ProgressBar) -> Self {
        let milestones = Milestones { begin: clock::now(), ready: OnceLock::new(), done: OnceLock::new() };
        Self { bar, milestones: Arc::new(milestones) }
    }

    /// Notes that the workers are there, and the work begins.
    pub fn workers_ready(&self) {
        let _ = self.milestones.ready.set(clock::now());
    }

    /// Notes that the last result is there, and only tidying up is left.
    pub fn work_done(&self) {
        let _ = self.milestones.done.set(clock::now());
    }

    /// How long the start of the workers and the work took.
    pub fn laps(&self) -> Laps {
        let ready = *self.milestones.ready.get().unwrap_or(&self.milestones.begin);
        let done = *self.milestones.done.get_or_init(clock::now);
        Laps { start: ready - self.milestones.begin, work: done.saturating_duration_since(ready) }
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
