//! The timeline as a static picture: SVG, with its colours for light and dark pages and with a text for those
//! who do not see it.
//!
//! ```text
//!   title                          axis
//!   ▾ threads                      │      │
//!     main                         ███░░░░██
//!   legend, notes
//! ```

mod boxes;

use crate::{
    model::{GroupKind, Mark, State, Timeline},
    reasons,
    words::{cut, duration, harmless, sentence},
};
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");
/// Sizes in pixels.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 950.0;
const ROW_HEIGHT: f64 = 17.0;
const HEAD_HEIGHT: f64 = 21.0;
const QUEUE_HEIGHT: f64 = 30.0;
/// The width that a letter takes, a little more than most do.
const LETTER_WIDTH: f64 = 6.3;
/// A group shows this many rows, and the picture this many groups.
const ROWS_MAX: usize = 12;
const GROUPS_MAX: usize = 24;
/// With more arrows than this, a picture shows none.
const ARROWS_MAX: usize = 60;

/// The lines of the six patterns, in a square of 8 by 8 pixels.
const HATCHES: [&str; reasons::REASONS] = [
    "M3 4h2",
    "M-1 9L9 -1M-1 1L1 -1M7 9L9 7",
    "M-1 9L9 -1M-1 -1L9 9",
    "M4 0v8",
    "M-1 -1L9 9M-1 7L1 9M7 -1L9 1",
    "M0 4h8",
];

/// Draws the timeline as an SVG file under this title.
///
/// ```
/// use brigade_timeline::{Timeline, svg};
///
/// let picture = svg(&Timeline::default(), "soup & bread");
/// assert!(picture.starts_with("<svg ") && picture.contains("soup &amp; bread"));
/// ```
#[must_use]
pub fn svg(timeline: &Timeline, title: &str) -> String {
    let mut picture = Picture { timeline, body: String::new(), y: 52.0, rows: Vec::new() };
    picture.groups();
    let lanes_end = picture.y;
    picture.arrows();
    picture.edges();
    picture.legend();
    let Picture { body, y, .. } = picture;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" height=\"{y}\" role=\"img\" \
         aria-labelledby=\"t d\">\n<title id=\"t\">{}</title>\n<desc id=\"d\">{}</desc>\n<style>\n{STYLE}</style>\n<defs>\n",
        escaped(title),
        escaped(&description(timeline)),
    );
    for (reason, path) in HATCHES.iter().enumerate() {
        let _ = writeln!(
            out,
            "<pattern id=\"p{reason}\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><path class=\"w\" \
             d=\"M0 0h8v8h-8z\"/><path class=\"k k{reason}\" d=\"{path}\"/></pattern>"
        );
    }
    let _ = writeln!(out, "</defs>\n<path class=\"back\" d=\"M0 0h{WIDTH}v{y}h-{WIDTH}z\"/>");
    text(&mut out, 8.0, 20.0, "h", title);
    axis(timeline, lanes_end, &mut out);
    out + &body + "</svg>\n"
}

/// The picture in words: how much there is, what took the longest, and what is marked.
fn description(timeline: &Timeline) -> String {
    let units = timeline.units.iter().filter(|unit| !unit.is_thread()).count();
    let mut words = format!(
        "{} threads and {units} tasks, jobs, calls and child processes in {}.",
        timeline.threads.len(),
        duration(timeline.length)
    );
    for (title, state) in [("Longest run", State::Running), ("Longest wait", State::Waiting)] {
        let of_state = timeline.spans.iter().filter(|span| span.state == state && span.unit.get().is_some());
        if let Some(span) = of_state.max_by_key(|span| span.end - span.begin) {
            let _ =
                write!(words, " {title}: {}, {}.", duration(span.end - span.begin), sentence(timeline, span));
        }
    }
    for mark in timeline.marks.iter().take(8) {
        let unit = mark.unit.get().map(|unit| timeline.name(&timeline.units[unit])).unwrap_or_default();
        let _ =
            write!(words, " {unit} at {}: {}.", duration(mark.at), timeline.text(mark.text).unwrap_or(""));
    }
    words
}

/// The text as XML.
fn escaped(text: &str) -> String {
    harmless(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn text(out: &mut String, x: f64, y: f64, class: &str, words: &str) {
    let _ = writeln!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(words));
}

/// The place of a time.
fn place(timeline: &Timeline, at: u64) -> f64 {
    LEFT + (RIGHT - LEFT) * at as f64 / timeline.length.max(1) as f64
}

fn axis(timeline: &Timeline, bottom: f64, out: &mut String) {
    let length = timeline.length.max(1) as f64;
    let rough = 10_f64.powf((length / 6.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| rough * factor);
    let step = step.into_iter().find(|step| length / step <= 8.0).unwrap_or(rough * 10.0);
    let mut at = 0.0;
    while at <= length {
        let x = place(timeline, at as u64);
        let _ = writeln!(out, "<path class=\"grid\" d=\"M{x:.1} 42V{bottom:.1}\"/>");
        let words = if at == 0.0 { "0".into() } else { duration(at as u64).replace(".0 ", " ") };
        if x + 46.0 < WIDTH {
            text(out, x + 3.0, 40.0, "f", &words);
        }
        at += step;
    }
}

/// The picture while it is drawn from top to bottom.
struct Picture<'a> {
    timeline: &'a Timeline,
    body: String,
    y: f64,
    /// The rows that are drawn, and where.
    rows: Vec<(u32, f64)>,
}

impl Picture<'_> {
    fn groups(&mut self) {
        let timeline = self.timeline;
        let mut runs = 0;
        let mut first = 0;
        for (number, group) in (0..).zip(&timeline.groups) {
            let count = timeline.rows[first..].iter().take_while(|row| row.group == number).count();
            if number as usize >= GROUPS_MAX {
                text(&mut self.body, 8.0, self.y + 14.0, "f", "… and more groups");
                self.y += HEAD_HEIGHT;
                break;
            }
            let is_units = group.kind != GroupKind::Threads;
            self.head(&format!("{} ({})", group.name, group.members));
            for row in first..first + count.min(ROWS_MAX) {
                self.row(row as u32, if is_units { runs } else { 0 });
            }
            if count > ROWS_MAX {
                text(&mut self.body, 20.0, self.y + 12.0, "f", &format!("… {} more rows", count - ROWS_MAX));
                self.y += ROW_HEIGHT;
            }
            runs += usize::from(is_units);
            first += count;
            if number == 0 {
                self.queues();
            }
        }
    }

    fn head(&mut self, words: &str) {
        let _ = writeln!(
            self.body,
            "<path class=\"band\" d=\"M0 {:.1}h{WIDTH}v{HEAD_HEIGHT}h-{WIDTH}z\"/>",
            self.y
        );
        text(&mut self.body, 8.0, self.y + 15.0, "h", &cut(words, 140));
        self.y += HEAD_HEIGHT;
    }

    fn row(&mut self, row: u32, colour: usize) {
        let name = &self.timeline.rows[row as usize].name;
        let of_row = self.timeline.threads.iter().filter(|thread| thread.row == row);
        let dropped = of_row.map(|thread| thread.dropped).sum::<u64>();
        let words = if dropped > 0 { format!("⚠ {name}") } else { name.clone() };
        text(&mut self.body, 20.0, self.y + 12.5, "", &cut(&words, 26));
        boxes::draw(self.timeline, row, colour, self.y + 1.0, &mut self.body);
        self.rows.push((row, self.y));
        let begin = self.timeline.marks.partition_point(|mark| mark.row < row);
        let end = self.timeline.marks.partition_point(|mark| mark.row <= row);
        let timeline = self.timeline;
        self.marks(&timeline.marks[begin..end]);
        self.y += ROW_HEIGHT;
    }

    fn marks(&mut self, marks: &[Mark]) {
        let words_of = |mark: &Mark| self.timeline.text(mark.text).unwrap_or_default();
        let is_fault = |mark: &Mark| mark.is_fault || words_of(mark).starts_with("stale");
        for (number, mark) in marks.iter().enumerate().take(200) {
            let words = words_of(mark);
            let class = if is_fault(mark) { "fault" } else { "mark" };
            let (x, y) = (place(self.timeline, mark.at), self.y);
            let _ = writeln!(
                self.body,
                "<path class=\"{class}\" d=\"M{:.1} {:.1}h2v15h-2zM{x:.1} {:.1}l6 3l-6 3z\"><title>{}</title></path>",
                x - 1.0,
                y + 1.0,
                y + 1.0,
                escaped(&format!("{}: {words}", duration(mark.at)))
            );
            // The whole of a long text stands in the title, and that of a fault below the picture.
            let words = cut(words.split(": ").next().unwrap_or(words), 40);
            let width = words.chars().count() as f64 * LETTER_WIDTH + 8.0;
            // The text of a fault may cover other marks; the others leave it room.
            let next = marks[number + 1..].iter().find(|next| is_fault(next) || !is_fault(mark));
            let until = next.map_or(WIDTH, |next| place(self.timeline, next.at));
            let is_covered = |fault: &Mark| is_fault(fault) && place(self.timeline, fault.at) + 60.0 > x;
            if !is_fault(mark) && marks[..number].iter().any(is_covered) {
                continue;
            }
            let left = if x + width < until {
                x + 8.0
            } else if number == 0 && x - width > LEFT {
                x - width
            } else {
                continue;
            };
            let _ = writeln!(
                self.body,
                "<path class=\"back\" d=\"M{:.1} {:.1}h{:.1}v13h-{:.1}z\"/>",
                left - 1.0,
                y + 2.0,
                width - 6.0,
                width - 6.0
            );
            text(&mut self.body, left, y + 12.5, class, &words);
        }
    }

    fn queues(&mut self) {
        for queue in self.timeline.queues.iter().take(6) {
            let most = queue.points.iter().map(|point| point.1).max().unwrap_or(0).max(1);
            let base = self.y + QUEUE_HEIGHT - 3.0;
            let up = |depth: u64| base - depth as f64 / most as f64 * (QUEUE_HEIGHT - 8.0);
            let mut path = format!("M{LEFT} {base:.1}");
            // Of the points of one pixel, the highest and the last are drawn.
            let pixel = |at: u64| place(self.timeline, at).floor();
            for points in queue.points.chunk_by(|one, other| pixel(one.0) == pixel(other.0)) {
                let highest = points.iter().map(|point| point.1).max().unwrap_or(0);
                let (x, last) = (place(self.timeline, points[0].0), points[points.len() - 1].1);
                let _ = write!(path, "H{x:.1}V{:.1}", up(highest));
                if last != highest {
                    let _ = write!(path, "V{:.1}", up(last));
                }
            }
            let _ = write!(path, "H{RIGHT}V{base:.1}z");
            text(&mut self.body, 20.0, self.y + 16.0, "f", &cut(&queue.name, 26));
            let _ = writeln!(
                self.body,
                "<path class=\"q\" d=\"{path}\"><title>{}: at most {most}</title></path>",
                escaped(&queue.name)
            );
            text(&mut self.body, RIGHT - 60.0, self.y + 10.0, "f", &format!("at most {most}"));
            self.y += QUEUE_HEIGHT;
        }
    }

    /// Arrows from wakers to the woken, if they are few.
    fn arrows(&mut self) {
        let timeline = self.timeline;
        if timeline.wakes.len() > ARROWS_MAX {
            return;
        }
        let at_row = |row: u32| self.rows.iter().find(|drawn| drawn.0 == row).map(|drawn| drawn.1);
        let mut out = String::new();
        for wake in &timeline.wakes {
            let from = wake.from.get().map(|unit| timeline.units[unit].row);
            let from = from.or_else(|| Some(timeline.threads[wake.thread.get()?].row));
            let to = wake.to.get().map(|unit| timeline.units[unit].row);
            let (Some(from), Some(to)) = (from.and_then(at_row), to.and_then(at_row)) else { continue };
            let (x, is_down) = (place(timeline, wake.at), to > from);
            let (y0, y1, tip) = if is_down { (from + 16.0, to, -4.0) } else { (from, to + 16.0, 4.0) };
            if from != to {
                let _ = writeln!(
                    out,
                    "<path class=\"a\" d=\"M{x:.1} {y0:.1}V{y1:.1}M{x:.1} {y1:.1}l-3 {tip}h6z\"/>"
                );
            }
        }
        self.body += &out;
    }

    /// Lines from one process to another, if they are few.
    fn edges(&mut self) {
        let timeline = self.timeline;
        if timeline.edges.len() > ARROWS_MAX {
            return;
        }
        let at_row = |row: u32| self.rows.iter().find(|drawn| drawn.0 == row).map(|drawn| drawn.1);
        let mut out = String::new();
        for edge in &timeline.edges {
            let (Some(from), Some(to)) = (at_row(edge.from), at_row(edge.to)) else { continue };
            let (x0, x1, is_down) = (place(timeline, edge.begin), place(timeline, edge.end), to > from);
            let (y0, y1, tip) = if is_down { (from + 16.0, to, -4.0) } else { (from, to + 16.0, 4.0) };
            let unit = edge.unit.get().map(|unit| timeline.name(&timeline.units[unit])).unwrap_or_default();
            let _ = writeln!(
                out,
                "<path class=\"e\" d=\"M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}M{x1:.1} {y1:.1}l-3 {tip}h6z\"><title>{} {}</title></path>",
                escaped(&unit),
                edge.kind.ends().0,
            );
        }
        self.body += &out;
    }

    fn legend(&mut self) {
        self.y += 10.0;
        let block = |fill: &str| format!("{fill} d=\"M0 0h24v12h-24z\"");
        let arrow = |class: char| format!("class=\"{class}\" d=\"M2 6H20M24 6l-5 -3v6z\"");
        let mut entries =
            vec![(block("class=\"r0\""), "runs"), (block("class=\"rd\""), "ready, not yet run")];
        let of_reason = |reason| (block(&format!("fill=\"url(#p{reason})\"")), reasons::NAMES[reason]);
        entries.extend((0..reasons::REASONS).map(of_reason));
        entries.push((block("class=\"w\""), "waits, reason not known"));
        if (1..=ARROWS_MAX).contains(&self.timeline.wakes.len()) {
            entries.push((arrow('a'), "wakes"));
        }
        if (1..=ARROWS_MAX).contains(&self.timeline.edges.len()) {
            entries.push((arrow('e'), "from one process to another"));
        }
        for (number, (path, words)) in entries.iter().enumerate() {
            let (x, y) = (8.0 + (number % 4) as f64 * 236.0, self.y + (number / 4) as f64 * 18.0);
            let _ = writeln!(self.body, "<path {path} transform=\"translate({x} {y:.1})\"/>");
            text(&mut self.body, x + 30.0, y + 10.0, "f", words);
        }
        self.y += entries.len().div_ceil(4) as f64 * 18.0 + 6.0;
        for note in self.timeline.notes.iter().take(8) {
            text(&mut self.body, 8.0, self.y + 11.0, "fault", &cut(note, 150));
            self.y += ROW_HEIGHT;
        }
        self.y += 4.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_timeline_has_a_picture_and_names_are_no_markup() {
        let picture = svg(&Timeline::default(), "<b>\u{1b}[2J");
        assert!(picture.contains("&lt;b&gt;\u{fffd}[2J") && picture.ends_with("</svg>\n"), "{picture}");
    }
}
