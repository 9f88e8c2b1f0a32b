//! What happened side by side: a lane for each, time from left to right.

use super::{Ink, Stage};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A piece of a lane, in seconds since the beginning.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Span {
    /// From.
    pub begin: f64,
    /// To.
    pub end: f64,
    /// Whether somebody works in it; else it only waits.
    pub busy: bool,
}

/// Shows a lane for each name: `█` where somebody works, `░` where it waits.
pub fn lanes(stage: &Stage, names: &[&str], spans: &[Vec<Span>]) {
    let end = spans.iter().flatten().map(|span| span.end).fold(f64::MIN_POSITIVE, f64::max);
    let room = stage.width().saturating_sub(20).min(60);
    for (number, (name, spans)) in names.iter().zip(spans).enumerate() {
        stage.object(&json!({ "scenario": stage.scenario(), "lane": name, "spans": spans }));
        let mut lane = vec![' '; room];
        for span in spans {
            let place = |time: f64| ((time / end * room as f64).round() as usize).min(room);
            lane[place(span.begin)..place(span.end)].fill(if span.busy { '█' } else { '░' });
        }
        let lane: String = lane.into_iter().collect();
        stage.line(format_args!("  {name:<6} {}", stage.paint(Ink::Way(number), lane.trim_end())));
    }
    stage.line(format_args!("  {:<6} {:>room$}", "", format!("{end:.3} s")));
}
