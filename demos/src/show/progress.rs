//! How far a mode has come, while it runs: one line on standard error, if that is a terminal. And when its workers were
//! ready and its work done.

use super::Output;
use brigade_trace::clock;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, IsTerminal},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

const REFRESH_INTERVAL: Duration = Duration::from_millis(100);

/// A progress line. Clones advance the same line, from any thread.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    laps: Arc<Milestones>,
}

/// When what happened.
#[derive(Debug)]
struct Milestones {
    begin: Instant,
    ready: OnceLock<Instant>,
    done: OnceLock<Instant>,
}

impl Progress {
    /// Shows that `total` pieces of work begin.
    pub fn begin(output: &Output, label: &str, total: usize) -> Self {
        if output.is_json() || !io::stderr().is_terminal() {
            return Self::of(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
        let template = "  {msg:<9}  {bar:30}  {pos}/{len}  {elapsed}";
        let style = ProgressStyle::with_template(template).expect("the template names what indicatif has");
        bar.set_style(style.progress_chars("━╸ "));
        bar.set_message(label.to_owned());
        bar.enable_steady_tick(REFRESH_INTERVAL);
        Self::of(bar)
    }

    fn of(bar: ProgressBar) -> Self {
        let laps = Milestones { begin: clock::now(), ready: OnceLock::new(), done: OnceLock::new() };
        Self { bar, laps: Arc::new(laps) }
    }

    /// The workers are there: what comes now is the work.
    pub fn workers_ready(&self) {
        let _ = self.laps.ready.set(clock::now());
    }

    /// The last result is there: what comes now is tidying up.
    pub fn work_done(&self) {
        let _ = self.laps.done.set(clock::now());
    }

    /// How long it took to get the workers, and how long the work took.
    pub fn laps(&self) -> (Duration, Duration) {
        let ready = *self.laps.ready.get().unwrap_or(&self.laps.begin);
        let done = *self.laps.done.get_or_init(clock::now);
        (ready - self.laps.begin, done.saturating_duration_since(ready))
    }

    /// One more piece is done; hands its result on.
    pub fn tick<R>(&self, result: R) -> R {
        self.bar.inc(1);
        result
    }

    /// Takes the line away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
