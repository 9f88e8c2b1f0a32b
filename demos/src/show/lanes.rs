//! Lanes: a row for each thing that happens side by side, with time from left to right. On a terminal the
//! lanes grow on a canvas while things happen. A pipe gets a line for each step, and the lanes at the end.

use super::{Output, Style};
use brigade_trace::clock;
use serde::Serialize;
use serde_json::json;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// How many columns stand left of a lane: margin, name, gap.
pub(super) const LANE_LEFT_COLUMNS: usize = 9;

/// The need of a step: hands, or only time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Hands: somebody works, drawn as `█`.
    Working,
    /// Only time: it waits, drawn as `░`.
    Waiting,
}

/// A piece of a lane, with times in seconds since the beginning.
#[derive(Debug, Clone, Copy, Serialize)]
struct Span {
    begin: f64,
    /// None while the step goes on.
    end: Option<f64>,
    busy: bool,
}

/// Lanes that are being filled. Clones fill the same lanes, from any thread.
#[derive(Debug, Clone)]
pub struct Lanes {
    output: Output,
    picture: Arc<Picture>,
}

/// Lanes as they can be drawn at any time, in any size.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) title: &'static str,
    pub(super) names: &'static [&'static str],
    start: Instant,
    /// How many seconds the whole width stands for, if nothing takes longer.
    scale: f64,
    // --- under the lock: a lane for each name ---
    spans: Mutex<Vec<Vec<Span>>>,
}

impl Lanes {
    /// Begins empty lanes.
    pub(super) fn begin(
        output: &Output,
        title: &'static str,
        names: &'static [&'static str],
        scale: f64,
    ) -> Self {
        let spans = Mutex::new(vec![Vec::new(); names.len()]);
        let picture = Arc::new(Picture { title, names, start: clock::now(), scale, spans });
        Self { output: output.clone(), picture }
    }

    pub(super) fn picture(&self) -> Arc<Picture> {
        self.picture.clone()
    }

    /// Begins a step in a lane. The step ends when the guard is dropped.
    pub fn step(&self, lane: usize, who: &str, step: Activity, what: impl fmt::Display) -> StepGuard {
        if !self.output.is_live() {
            self.output.event(who, what);
        }
        let picture = &self.picture;
        let span = Span { begin: picture.now(), end: None, busy: step == Activity::Working };
        picture.spans()[lane].push(span);
        StepGuard { picture: picture.clone(), lane }
    }

    /// Ends the lanes. Returns when the last step ended, in seconds.
    pub fn end(self) -> f64 {
        let Self { output, picture } = self;
        for (name, spans) in picture.names.iter().zip(picture.spans().iter()) {
            output.record("lane", &json!({ "lanes": picture.title, "lane": name, "spans": spans }));
        }
        if !output.is_live() {
            output.line("");
            picture.print(&output);
        }
        latest(&picture.spans())
    }
}

/// A step that goes on until this is dropped.
#[derive(Debug)]
#[must_use = "the step ends when this is dropped"]
pub struct StepGuard {
    picture: Arc<Picture>,
    lane: usize,
}

impl Drop for StepGuard {
    fn drop(&mut self) {
        let now = self.picture.now();
        if let Some(span) = self.picture.spans()[self.lane].last_mut() {
            span.end = Some(now);
        }
    }
}

impl Picture {
    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn spans(&self) -> MutexGuard<'_, Vec<Vec<Span>>> {
        // No panic can leave the spans half changed.
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints the lanes and, below them, when they ended.
    pub(super) fn print(&self, output: &Output) {
        self.lines(output).into_iter().for_each(|line| output.line(line));
    }

    /// Draws the lanes as they are now, and the time below them.
    pub(super) fn lines(&self, output: &Output) -> Vec<String> {
        let room = room(output.columns());
        let lanes = self.lanes(room).into_iter().zip(self.names).enumerate();
        let lanes = lanes.map(|(number, (cells, name))| {
            format!("  {name:<6} {}", output.paint(Style::Series(number), cells))
        });
        lanes.chain([self.clock(room)]).collect()
    }

    /// The cells of each lane as it is now.
    pub(super) fn lanes(&self, room: usize) -> Vec<String> {
        let (spans, now) = (self.spans(), self.now());
        let scale = self.scale.max(latest(&spans));
        spans.iter().map(|lane| cells(lane, now, scale, room)).collect()
    }

    /// The time of the last end, or the time now while something goes on, in seconds.
    pub(super) fn time(&self) -> f64 {
        let spans = self.spans();
        let goes_on = spans.iter().flatten().any(|span| span.end.is_none());
        if goes_on { self.now() } else { latest(&spans) }
    }

    /// Writes the time below its place in the lanes.
    fn clock(&self, room: usize) -> String {
        let time = self.time();
        let right = LANE_LEFT_COLUMNS + place(time, self.scale.max(time), room);
        format!("{:>right$}", format!("{time:.3} s"))
    }
}

/// How many cells a lane has in a drawing of so many columns.
pub(super) fn room(columns: usize) -> usize {
    columns.saturating_sub(LANE_LEFT_COLUMNS + 1)
}

fn latest(spans: &[Vec<Span>]) -> f64 {
    spans.iter().flatten().map(|span| span.end.unwrap_or(span.begin)).fold(0.0, f64::max)
}

fn place(time: f64, scale: f64, room: usize) -> usize {
    ((time / scale * room as f64).round() as usize).min(room)
}

fn cells(spans: &[Span], now: f64, scale: f64, room: usize) -> String {
    let mut cells = vec![' '; room];
    for span in spans {
        let (begin, end) = (place(span.begin, scale, room), place(span.end.unwrap_or(now), scale, room));
        cells[begin..end.max(begin)].fill(if span.busy { '█' } else { '░' });
    }
    cells.into_iter().collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{super::text::columns, *};

    #[test]
    fn a_lane_shows_what_has_been_and_what_goes_on() {
        let spans =
            [Span { begin: 0.0, end: Some(1.0), busy: true }, Span { begin: 2.0, end: None, busy: false }];
        assert_eq!(cells(&spans, 2.0, 4.0, 8), "██");
        assert_eq!(cells(&spans, 3.0, 4.0, 8), "██  ░░");
        assert_eq!(cells(&spans, 9.0, 4.0, 8), "██  ░░░░");
    }

    #[test]
    fn lanes_use_the_width_and_no_more() {
        let spans = [Span { begin: 0.0, end: Some(2.0), busy: true }];
        for columns_there in [20, 40, 80, 200] {
            let cells = cells(&spans, 2.0, 2.0, room(columns_there));
            assert_eq!(LANE_LEFT_COLUMNS + columns(&cells), columns_there - 1);
        }
    }
}
