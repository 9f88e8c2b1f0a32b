//! Lanes for a projector: as large as the terminal is, in two colours on black.
//!
//! The colours are white and yellow, which a weak lamp still shows apart from black. A chef's hands are
//! yellow and solid, and waiting is white and dotted, so the picture can be read without colours, too.

use super::{
    Output,
    canvas::framed,
    lanes::{Picture, room},
    text::fold,
};

/// White on black.
const GROUND: &str = "\x1b[0m\x1b[48;5;16m\x1b[38;5;231m";
const YELLOW: &str = "\x1b[38;5;226m";
const WHITE: &str = "\x1b[38;5;231m";

/// The most rows that a lane takes.
const LANE_ROWS_MAX: usize = 8;

/// The rows of a digit.
const DIGIT_ROWS: usize = 5;

/// The digits from 0 to 9 and the point, in rows of three cells.
const DIGITS: [[&str; DIGIT_ROWS]; 11] = [
    ["███", "█ █", "█ █", "█ █", "███"],
    [" █ ", "██ ", " █ ", " █ ", "███"],
    ["███", "  █", "███", "█  ", "███"],
    ["███", "  █", "███", "  █", "███"],
    ["█ █", "█ █", "███", "  █", "  █"],
    ["███", "█  ", "███", "  █", "███"],
    ["███", "█  ", "███", "█ █", "███"],
    ["███", "  █", "  █", "  █", "  █"],
    ["███", "█ █", "███", "█ █", "███"],
    ["███", "█ █", "███", "  █", "███"],
    ["   ", "   ", "   ", "   ", " █ "],
];

/// Draws a picture for a terminal of this size.
pub(super) fn frame(output: &Output, picture: &Picture, legend: &str, rows: usize, width: usize) -> String {
    let lanes = picture.lanes(room(width)).into_iter().zip(picture.names.iter().copied()).collect::<Vec<_>>();
    let texts =
        Texts { title: fold(picture.title, width), legend: fold(legend, width), time: picture.time() };
    let lines = lines(&texts, &lanes, rows);
    let ground = if output.has_colour() { GROUND } else { "" };
    let paint = |line: &String| if output.has_colour() { painted(line) } else { line.clone() };
    framed(&lines.iter().map(paint).collect::<Vec<_>>(), rows, ground)
}

/// The texts around the lanes, broken into lines.
struct Texts {
    title: Vec<String>,
    legend: Vec<String>,
    /// In seconds.
    time: f64,
}

/// Lays the picture out in so many rows. A small terminal gets thin lanes, and then a small clock.
fn lines(texts: &Texts, lanes: &[(String, &str)], rows: usize) -> Vec<String> {
    let around = texts.title.len() + texts.legend.len() + 2;
    let clock = if around + DIGIT_ROWS + 2 * lanes.len() <= rows {
        large(texts.time)
    } else {
        vec![format!("{:.1} s", texts.time)]
    };
    let for_lanes = rows.saturating_sub(around + clock.len());
    let thickness = (for_lanes / lanes.len().max(1)).saturating_sub(1).clamp(1, LANE_ROWS_MAX);
    let mut lines = texts.title.clone();
    for (cells, name) in lanes {
        lines.push(String::new());
        lines.push(format!("  {name:<6} {cells}"));
        lines.extend((1..thickness).map(|_| format!("  {:<6} {cells}", "")));
    }
    lines.push(String::new());
    lines.extend(clock);
    lines.push(String::new());
    lines.extend(texts.legend.iter().cloned());
    lines
}

/// Writes a time in large digits, with a tenth of a second.
fn large(seconds: f64) -> Vec<String> {
    let text = format!("{seconds:.1}");
    let row = |row: usize| {
        let glyphs = text.chars().map(|character| {
            let glyph = character.to_digit(10).map_or(DIGITS.len() - 1, |digit| digit as usize);
            // A cell is about twice as high as it is wide.
            DIGITS[glyph][row].chars().flat_map(|cell| [cell, cell]).collect::<String>()
        });
        let unit = if row + 1 == DIGIT_ROWS { "s" } else { "" };
        format!("  {}  {unit}", glyphs.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    (0..DIGIT_ROWS).map(row).collect()
}

/// Paints the solid cells yellow, and nothing else.
fn painted(line: &str) -> String {
    let mut text = String::new();
    let mut solid = false;
    for character in line.chars() {
        if (character == '█') != solid {
            solid = !solid;
            text.push_str(if solid { YELLOW } else { WHITE });
        }
        text.push(character);
    }
    text + if solid { WHITE } else { "" }
}

#[cfg(test)]
mod tests {
    use super::{super::text::columns, *};

    fn picture(rows: usize, width: usize) -> Vec<String> {
        let lane = |name| ("█".repeat(room(width)), name);
        let texts = Texts {
            title: fold("one chef, three dishes (async, one thread)", width),
            legend: fold("█ hands   ░ simmers", width),
            time: 1.25,
        };
        lines(&texts, &[lane("soup"), lane("pasta"), lane("curry")], rows)
    }

    #[test]
    fn the_picture_fills_the_terminal_and_no_more() {
        for (rows, width) in [(15, 40), (24, 80), (50, 200)] {
            let lines = picture(rows, width);
            assert!(lines.len() <= rows && lines.len() + 3 >= rows.min(37), "{} of {rows} rows", lines.len());
            assert!(lines.iter().all(|line| columns(line) <= width), "{width} columns: {lines:?}");
        }
    }

    #[test]
    fn the_clock_is_large_where_there_is_room() {
        assert_eq!(large(0.14)[0], "  ██████            ██");
        assert!(picture(24, 80).contains(&large(1.25)[4]));
        assert!(picture(11, 40).contains(&"1.2 s".to_owned()));
    }

    #[test]
    fn only_solid_cells_are_yellow() {
        assert_eq!(painted("ab██░"), format!("ab{YELLOW}██{WHITE}░"));
        assert_eq!(painted("█"), format!("{YELLOW}█{WHITE}"));
    }
}
