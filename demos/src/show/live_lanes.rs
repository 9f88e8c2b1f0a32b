//! `--lanes`: the timeline of a run as text. On a terminal it is drawn again and again while the run goes on,
//! on the alternate screen, with the latest lines of the scenario below it. When the screen is given back,
//! all lines of the scenario follow. Without such a screen the lanes stand at the end.

use super::{
    canvas::{framed, give_back, show, take},
    held, output,
    text::columns,
};
use brigade_timeline::{Timeline, lanes};
use console::Term;
use std::{
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// The pause between two frames, at least.
const FRAME_INTERVAL: Duration = Duration::from_millis(100);
/// Drawing takes at most one part in so many of the time, however long a recording is.
const DRAWING_SHARE: u32 = 5;
/// This many of the scenario's lines are shown below the lanes.
const LINES_BELOW: usize = 5;

/// The drawing of lanes while a run goes on.
pub(crate) struct LiveLanes {
    over: Arc<(Mutex<bool>, Condvar)>,
    painter: Option<JoinHandle<()>>,
}

impl LiveLanes {
    /// Begins to draw, if there is a screen. `timeline` returns the run so far.
    pub(crate) fn begin(timeline: impl Fn() -> Option<Timeline> + Send + 'static) -> io::Result<Self> {
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        if !held::has_screen() {
            return Ok(Self { over, painter: None });
        }
        held::hold();
        let theirs = over.clone();
        let painter = thread::Builder::new().name("lanes".into()).spawn(move || paint(&theirs, timeline))?;
        Ok(Self { over, painter: Some(painter) })
    }

    /// Gives the screen back, and prints what the scenario has printed.
    pub(crate) fn end(self) {
        let Some(painter) = self.painter else { return };
        *self.over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.over.1.notify_all();
        // If the painter has panicked, the panic hook has said so.
        let _ = painter.join();
        give_back();
        held::release();
    }
}

fn paint((over, told): &(Mutex<bool>, Condvar), timeline: impl Fn() -> Option<Timeline>) {
    take();
    let mut is_over = over.lock().unwrap_or_else(PoisonError::into_inner);
    while !*is_over {
        drop(is_over);
        let begin = brigade_trace::clock::now();
        if let Some(timeline) = timeline() {
            show(&frame(&timeline));
        }
        let pause = FRAME_INTERVAL.max(took(begin) * DRAWING_SHARE);
        is_over = over.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_over {
            is_over = told.wait_timeout(is_over, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn took(begin: Instant) -> Duration {
    begin.elapsed()
}

/// As many lanes as the terminal has rows for, and the latest lines of the scenario.
fn frame(timeline: &Timeline) -> String {
    let (rows, width) = output::terminal_size(&Term::stdout()).unwrap_or((24, 80));
    let below = held::held_lines(LINES_BELOW.min(rows / 4));
    let mut lines: Vec<String> = lanes(timeline, width).lines().map(str::to_owned).collect();
    let room = rows.saturating_sub(below.len() + 1);
    if lines.len() > room {
        lines.truncate(room.saturating_sub(1));
        lines.push("  …".into());
    }
    lines.push(String::new());
    lines.extend(below.into_iter().map(|line| fitting(&line, width)));
    framed(&lines, rows, "")
}

/// The begin of a line, so that the terminal breaks none.
fn fitting(line: &str, width: usize) -> String {
    let mut cut = line.to_owned();
    while columns(&cut) > width {
        cut.pop();
    }
    cut
}
