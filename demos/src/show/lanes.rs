//! Lanes: a row for each thing that happens side by side, with time from left to right. On a terminal the
//! lanes grow while things happen. A pipe gets a line for each step, and the lanes at the end.

use super::{Output, Style, ticker::draw_steadily};
use brigade_trace::clock;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde::Serialize;
use serde_json::json;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The pause between two drawings.
const REFRESH_INTERVAL: Duration = Duration::from_millis(50);

/// How many columns stand left of a lane: margin, name, gap.
const LANE_LEFT_COLUMNS: usize = 9;

/// The most columns that a lane takes.
const LANE_COLUMNS_MAX: usize = 60;

/// The names of the lanes in indicatif's template. There cannot be more lanes than names.
const TEMPLATE_KEYS: [&str; 4] = ["lane0", "lane1", "lane2", "lane3"];

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
    drawing: Arc<Drawing>,
    bar: ProgressBar,
}

#[derive(Debug)]
struct Drawing {
    output: Output,
    title: &'static str,
    names: &'static [&'static str],
    start: Instant,
    /// How many seconds the whole width stands for, if nothing takes longer.
    scale: f64,
    // --- under the lock: a lane for each name ---
    spans: Mutex<Vec<Vec<Span>>>,
}

impl Lanes {
    /// Begins empty lanes with these names, under a title. `scale` is how many seconds the width stands for:
    /// lanes with the same scale can be compared by eye.
    pub fn begin(output: &Output, title: &'static str, names: &'static [&'static str], scale: f64) -> Self {
        output.line("");
        output.labelled(Style::Strong, "", title);
        let spans = Mutex::new(vec![Vec::new(); names.len()]);
        let drawing =
            Arc::new(Drawing { output: output.clone(), title, names, start: clock::now(), scale, spans });
        let bar = if output.is_live() { drawing.clone().live() } else { ProgressBar::hidden() };
        Self { drawing, bar }
    }

    /// Begins a step in a lane. The step ends when the guard is dropped.
    pub fn step(&self, lane: usize, who: &str, step: Activity, what: impl fmt::Display) -> StepGuard {
        let drawing = &self.drawing;
        if !drawing.output.is_live() {
            drawing.output.event(who, what);
        }
        let span = Span { begin: drawing.now(), end: None, busy: step == Activity::Working };
        drawing.spans()[lane].push(span);
        StepGuard { drawing: drawing.clone(), lane }
    }

    /// Ends the drawing and leaves it on the screen. Returns when the last step ended, in seconds.
    pub fn end(self) -> f64 {
        self.bar.finish_and_clear();
        let Drawing { output, title, names, .. } = &*self.drawing;
        let now = self.drawing.now();
        if !output.is_live() {
            output.line("");
        }
        for (number, name) in names.iter().enumerate() {
            let spans = self.drawing.spans()[number].clone();
            output.record(
                &json!({ "scenario": output.scenario(), "lanes": title, "lane": name, "spans": spans }),
            );
            output.line(self.drawing.lane(number, now));
        }
        output.line(self.drawing.clock());
        latest(&self.drawing.spans())
    }
}

/// A step that goes on until this is dropped.
#[derive(Debug)]
#[must_use = "the step ends when this is dropped"]
pub struct StepGuard {
    drawing: Arc<Drawing>,
    lane: usize,
}

impl Drop for StepGuard {
    fn drop(&mut self) {
        let now = self.drawing.now();
        if let Some(span) = self.drawing.spans()[self.lane].last_mut() {
            span.end = Some(now);
        }
    }
}

impl Drawing {
    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn spans(&self) -> MutexGuard<'_, Vec<Vec<Span>>> {
        // No panic can leave the spans half changed.
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws the lanes again and again, until the bar is ended.
    fn live(self: Arc<Self>) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let lanes = &TEMPLATE_KEYS[..self.names.len()];
        let template: String = lanes.iter().map(|key| format!("{{{key}}}\n")).collect();
        let style = ProgressStyle::with_template(&(template + "{clock}"));
        let mut style = style.expect("the template is made of names in braces");
        for (number, key) in lanes.iter().enumerate() {
            let ours = self.clone();
            style = style.with_key(key, move |_: &ProgressState, out: &mut dyn fmt::Write| {
                // If this fails, the bar is drawn without the lane.
                let _ = out.write_str(&ours.lane(number, ours.now()));
            });
        }
        style = style.with_key("clock", move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = out.write_str(&self.clock());
        });
        bar.set_style(style);
        draw_steadily(&bar, REFRESH_INTERVAL);
        bar
    }

    fn room(&self) -> usize {
        self.output.width().saturating_sub(LANE_LEFT_COLUMNS + 1).min(LANE_COLUMNS_MAX)
    }

    /// Draws a lane as it is at this time.
    fn lane(&self, number: usize, now: f64) -> String {
        let spans = self.spans();
        let text = cells(&spans[number], now, self.scale.max(latest(&spans)), self.room());
        format!("  {:<6} {}", self.names[number], self.output.paint(Style::Series(number), text))
    }

    /// Writes when the last step ended, below its end in the lanes.
    fn clock(&self) -> String {
        let spans = self.spans();
        let goes_on = spans.iter().flatten().any(|span| span.end.is_none());
        let end = if goes_on { self.now() } else { latest(&spans) };
        let place = LANE_LEFT_COLUMNS + place(end, self.scale.max(end), self.room());
        format!("{:>place$}", format!("{end:.3} s"))
    }
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
    use super::*;

    #[test]
    fn a_lane_shows_what_has_been_and_what_goes_on() {
        let spans =
            [Span { begin: 0.0, end: Some(1.0), busy: true }, Span { begin: 2.0, end: None, busy: false }];
        assert_eq!(cells(&spans, 2.0, 4.0, 8), "██");
        assert_eq!(cells(&spans, 3.0, 4.0, 8), "██  ░░");
        assert_eq!(cells(&spans, 9.0, 4.0, 8), "██  ░░░░");
    }
}
