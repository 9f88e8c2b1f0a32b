//! A bar chart: the lengths of the bars are in proportion to the numbers.

use super::{Output, Style};

/// The ends of a bar, from no eighth of a character to seven eighths.
const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Shows a bar for each entry: its label, its style, its seconds.
pub fn bar_chart(output: &Output, entries: &[(&str, Style, f64)]) {
    let longest = entries.iter().map(|entry| entry.2).fold(0.0, f64::max);
    let label = entries.iter().map(|entry| entry.0.chars().count()).max().unwrap_or(0);
    // Beside the bar there are margin, label, gap, gap, and the number, which takes at most ten characters.
    let room = output.columns().saturating_sub(2 + label + 2 + 2 + 10).max(1);
    for &(name, style, seconds) in entries {
        let bar = output.paint(style, bar(seconds / longest.max(f64::MIN_POSITIVE), room));
        output.line(format_args!("  {name:<label$}  {bar} {}", time(seconds)));
    }
}

fn bar(share: f64, room: usize) -> String {
    let eighths = (share * room as f64 * 8.0).round() as usize;
    // A bar has at least one eighth, so that it can be seen.
    let eighths = eighths.clamp(1, room * 8);
    format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8])
}

fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.3} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        assert_eq!(bar(1.0, 4), "████");
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(0.125, 1), "▏");
        assert_eq!(bar(0.0, 4), "▏");
        assert_eq!(bar(f64::NAN, 4), "▏");
    }
}
