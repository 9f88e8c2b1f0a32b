//! The lanes of a run as an SVG: a column for each thread, and time runs down.
//!
//! Each kind of line has a shape besides its colour, and the whole run stands in the description as text.

use brigade_course_kit::Picture;
use std::fmt::Write;

/// The columns of a picture are so wide, and its rows so high, in pixels.
const LANE: usize = 260;
const ROW: usize = 22;
const TOP: usize = 46;

/// Draws a run.
///
/// ```
/// use brigade_course_kit::Picture;
///
/// let lines = vec![(0, "poll soup".to_owned()), (1, "wake soup".to_owned())];
/// let picture = Picture { threads: vec!["root".to_owned(), "cook".to_owned()], lines };
/// let svg = brigade_course::draw(&picture, "A future is woken");
/// assert!(svg.starts_with("<svg") && svg.contains(">wake soup<"));
/// ```
#[must_use]
pub fn draw(picture: &Picture, title: &str) -> String {
    let used: Vec<usize> = (0..picture.threads.len())
        .filter(|&thread| picture.lines.iter().any(|&(other, _)| other == thread))
        .collect();
    let (width, height) = (used.len() * LANE + 20, TOP + picture.lines.len() * ROW + 16);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"title description\">\n\
         <title id=\"title\">{}</title>\n<desc id=\"description\">{}</desc>\n\
         <style>text {{ font: 13px ui-monospace, monospace; fill: #222 }} .name {{ font-weight: bold }} \
         .switch {{ fill: #6b6b6b; font-style: italic }} rect {{ fill: #fff }} line {{ stroke: #c8c8c8 }} \
         .wake {{ fill: #b34700 }} .poll {{ fill: #00538a }} .other {{ fill: #767676 }}</style>\n\
         <rect width=\"{width}\" height=\"{height}\"/>\n",
        escaped(title),
        escaped(&description(picture)),
    );
    for (column, &thread) in used.iter().enumerate() {
        let x = column * LANE + 20;
        let name = escaped(&picture.threads[thread]);
        let _ = writeln!(svg, "<text class=\"name\" x=\"{x}\" y=\"24\">{name}</text>");
        let (axis, bottom) = (x + 4, height - 10);
        let _ = writeln!(svg, "<line x1=\"{axis}\" y1=\"34\" x2=\"{axis}\" y2=\"{bottom}\"/>");
    }
    for (row, (thread, words)) in picture.lines.iter().enumerate() {
        let column = used.iter().position(|other| other == thread).expect("it has a line");
        write_row(&mut svg, column * LANE + 20, TOP + row * ROW + 12, words);
    }
    svg.push_str("</svg>\n");
    svg
}

/// A mark on the axis, and the words beside it.
fn write_row(svg: &mut String, x: usize, y: usize, words: &str) {
    let (axis, middle) = (x + 4, y - 4);
    let is = |starts: &[&str]| starts.iter().any(|start| words.starts_with(start));
    let _ = if words.starts_with("──") {
        writeln!(svg, "<text class=\"switch\" x=\"{}\" y=\"{y}\">{}</text>", x + 16, escaped(words))
    } else if is(&["wake", "notify", "unpark"]) {
        let (left, right, top, bottom) = (axis - 6, axis + 6, middle - 6, middle + 5);
        writeln!(svg, "<path class=\"wake\" d=\"M{axis} {top}L{right} {bottom}L{left} {bottom}Z\"/>")
    } else if is(&["poll", "run"]) {
        writeln!(svg, "<circle class=\"poll\" cx=\"{axis}\" cy=\"{middle}\" r=\"6\"/>")
    } else {
        writeln!(svg, "<circle class=\"other\" cx=\"{axis}\" cy=\"{middle}\" r=\"2.5\"/>")
    };
    if !words.starts_with("──") {
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{y}\">{}</text>", x + 16, escaped(words));
    }
}

/// The run as one sentence after the other.
fn description(picture: &Picture) -> String {
    let told = picture.lines.iter().map(|(thread, words)| format!("{}: {words}.", picture.threads[*thread]));
    told.collect::<Vec<_>>().join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
