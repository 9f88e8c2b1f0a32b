//! What happens side by side: a lane for each, time from left to right. On a terminal the lanes grow while it happens; a
//! pipe gets a line for each step, and the lanes at the end.

use super::{Ink, Stage};
use brigade_trace::clock;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde::Serialize;
use serde_json::json;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

const REFRESH: Duration = Duration::from_millis(50);
/// What stands left of a lane: margin, name, gap.
const LEFT: usize = 9;
const LONGEST: usize = 60;
/// What indicatif's template calls the lanes; so many there can be.
const KEYS: [&str; 4] = ["lane0", "lane1", "lane2", "lane3"];

/// What a step needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Somebody works in it: `█`.
    Works,
    /// It only waits: `░`.
    Waits,
}

/// A piece of a lane, in seconds since the beginning.
#[derive(Debug, Clone, Copy, Serialize)]
struct Span {
    begin: f64,
    /// None as long as it goes on.
    end: Option<f64>,
    busy: bool,
}

/// Lanes that are being filled. Clones fill the same ones, from any thread.
#[derive(Debug, Clone)]
pub struct Lanes {
    drawing: Arc<Drawing>,
    bar: ProgressBar,
}

#[derive(Debug)]
struct Drawing {
    stage: Stage,
    title: &'static str,
    names: &'static [&'static str],
    start: Instant,
    /// How many seconds a whole lane stands for, if nothing takes longer.
    scale: f64,
    // --- under the lock: a lane for each name ---
    spans: Mutex<Vec<Vec<Span>>>,
}

impl Lanes {
    /// Begins empty lanes with these names, under a title. Lanes with the same `scale`, in seconds, can be compared by eye.
    pub fn begin(stage: &Stage, title: &'static str, names: &'static [&'static str], scale: f64) -> Self {
        stage.line("");
        stage.labelled(Ink::Strong, "", title);
        let spans = Mutex::new(vec![Vec::new(); names.len()]);
        let drawing =
            Arc::new(Drawing { stage: stage.clone(), title, names, start: clock::now(), scale, spans });
        let bar = if stage.live() { drawing.clone().live() } else { ProgressBar::hidden() };
        Self { drawing, bar }
    }

    /// A step begins in a lane; it ends when the guard is dropped.
    pub fn step(&self, lane: usize, who: &str, step: Step, what: impl fmt::Display) -> Going {
        let drawing = &self.drawing;
        if !drawing.stage.live() {
            drawing.stage.event(who, what);
        }
        let span = Span { begin: drawing.now(), end: None, busy: step == Step::Works };
        drawing.spans()[lane].push(span);
        Going { drawing: drawing.clone(), lane }
    }

    /// Ends the drawing and leaves it where it is. When its last step ended, in seconds.
    pub fn end(self) -> f64 {
        self.bar.finish_and_clear();
        let Drawing { stage, title, names, .. } = &*self.drawing;
        let now = self.drawing.now();
        if !stage.live() {
            stage.line("");
        }
        for (number, name) in names.iter().enumerate() {
            let spans = self.drawing.spans()[number].clone();
            stage.object(
                &json!({ "scenario": stage.scenario(), "lanes": title, "lane": name, "spans": spans }),
            );
            stage.line(self.drawing.lane(number, now));
        }
        stage.line(self.drawing.clock());
        latest(&self.drawing.spans())
    }
}

/// A step that goes on.
#[derive(Debug)]
#[must_use = "the step ends when this is dropped"]
pub struct Going {
    drawing: Arc<Drawing>,
    lane: usize,
}

impl Drop for Going {
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
        // Nothing under the lock can be left half done by a panic.
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws anew from now on until the bar is ended.
    fn live(self: Arc<Self>) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let lanes = &KEYS[..self.names.len()];
        let template: String = lanes.iter().map(|key| format!("{{{key}}}\n")).collect();
        let style = ProgressStyle::with_template(&(template + "{clock}"));
        let mut style = style.expect("the template is made of names in braces");
        for (number, key) in lanes.iter().enumerate() {
            let ours = self.clone();
            style = style.with_key(key, move |_: &ProgressState, out: &mut dyn fmt::Write| {
                // The bar is drawn without it if this fails.
                let _ = out.write_str(&ours.lane(number, ours.now()));
            });
        }
        style = style.with_key("clock", move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = out.write_str(&self.clock());
        });
        bar.set_style(style);
        bar.enable_steady_tick(REFRESH);
        bar
    }

    fn room(&self) -> usize {
        self.stage.width().saturating_sub(LEFT + 1).min(LONGEST)
    }

    /// A lane as it is at this time.
    fn lane(&self, number: usize, now: f64) -> String {
        let spans = self.spans();
        let text = cells(&spans[number], now, self.scale.max(latest(&spans)), self.room());
        format!("  {:<6} {}", self.names[number], self.stage.paint(Ink::Way(number), text))
    }

    /// When the last step ended, below that end.
    fn clock(&self) -> String {
        let spans = self.spans();
        let goes_on = spans.iter().flatten().any(|span| span.end.is_none());
        let end = if goes_on { self.now() } else { latest(&spans) };
        let place = LEFT + place(end, self.scale.max(end), self.room());
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
