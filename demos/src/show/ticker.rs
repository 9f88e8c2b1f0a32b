//! Draws a progress bar again and again.

use indicatif::ProgressBar;
use std::{thread, time::Duration};

/// Draws `bar` at this interval until it is finished, on a thread of its own. indicatif's own ticker panics
/// if the system grants no thread; this one then leaves the bar to be drawn when it advances.
pub(super) fn draw_steadily(bar: &ProgressBar, interval: Duration) {
    let weak = bar.downgrade();
    let body = move || {
        while let Some(bar) = weak.upgrade().filter(|bar| !bar.is_finished()) {
            bar.tick();
            drop(bar);
            thread::sleep(interval);
        }
    };
    let _ = thread::Builder::new().name("ticker".into()).spawn(body);
}
