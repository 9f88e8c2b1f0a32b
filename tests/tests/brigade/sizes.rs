//! The program in terminals of several sizes: no line is wider than the terminal, so the terminal breaks no
//! word, and drawings use the width that there is.

use crate::terminal::{GIVEN_BACK, TAKEN, Terminal};
use std::{fs, process::Command, thread};

/// The lines of a text as the terminal shows them: without escape sequences.
fn lines(shown: &str) -> Vec<String> {
    let mut text = String::new();
    let mut characters = shown.chars();
    while let Some(character) = characters.next() {
        match character {
            // A sequence ends with a letter.
            '\x1b' => while characters.next().is_some_and(|next| !next.is_ascii_alphabetic()) {},
            // The text after it begins at the left again, and so counts as another line.
            '\r' => text.push('\n'),
            other => text.push(other),
        }
    }
    text.lines().map(str::to_owned).collect()
}

fn width(line: &str) -> usize {
    line.chars().count()
}

fn widest(lines: &[String]) -> &str {
    lines.iter().max_by_key(|line| width(line)).unwrap()
}

/// Runs the program in a terminal of so many columns. Returns what was shown before the shell went on.
fn shown_in(columns: usize, arguments: &str) -> Option<String> {
    let mut terminal = Terminal::in_columns(columns, arguments)?;
    terminal.wait_for("code=");
    Some(terminal.shown.split("code=").next().unwrap().to_owned())
}

/// Every scenario that ends by itself, with little to do, and the pages.
const RUNS: [&str; 32] = [
    "--help",
    "io --help",
    "list",
    "kitchen --speed 50",
    "io --delay 0.01",
    "cpu --n 1000",
    "decide -- true",
    "gil --explain",
    "hello --speed 50",
    "chain --speed 50",
    "queue --speed 5",
    "generator --speed 50",
    "run",
    "thread --speed 50",
    "daemon --speed 50",
    "executor --speed 50",
    "race",
    "lock --explain",
    "deadlock",
    "deadlock --ordered",
    "producer-consumer --speed 50",
    "producer-consumer --explain",
    "joins --speed 50",
    "cards --print",
    "gil --questions",
    "producer-consumer --code",
    "explore list",
    "explore race",
    "explore deadlock --schedules 100",
    "explore race --schedule w1.preempt.999=1",
    // Complaints about the command line: ours and of clap.
    "kitchen --workers 3",
    "kitchen --no-such-option",
];

#[test]
fn nothing_shows_a_line_that_is_wider_than_the_terminal() {
    let check = |columns| {
        for arguments in RUNS {
            let Some(shown) = shown_in(columns, arguments) else { return };
            let lines = lines(&shown);
            let widest = widest(&lines);
            assert!(width(widest) <= columns, "{columns} columns, {arguments}: {widest}");
            assert!(width(widest) > 5, "{arguments} shows something: {shown}");
        }
    };
    thread::scope(|scope| {
        for columns in [40, 80, 200] {
            scope.spawn(move || check(columns));
        }
    });
}

#[test]
fn no_word_is_lost_in_a_narrow_terminal() {
    let Some(narrow) = shown_in(40, "queue --explain") else { return };
    let Some(wide) = shown_in(200, "queue --explain") else { return };
    let words = |shown: &str| lines(shown).join(" ").split_whitespace().collect::<String>();
    assert_eq!(words(&narrow), words(&wide));
}

#[test]
fn lanes_and_bars_use_a_wide_terminal() {
    for arguments in ["kitchen --speed 20", "io --delay 0.05"] {
        let Some(shown) = shown_in(200, arguments) else { return };
        let drawn: Vec<_> = lines(&shown).into_iter().filter(|line| line.contains('█')).collect();
        let widest = widest(&drawn);
        assert!(width(widest) > 150, "{arguments}: {widest}");
    }
}

/// Resizes the terminal of the program, as a user does by dragging its corner.
fn resize(terminal: &Terminal, columns: usize) {
    let device = fs::read_link(format!("/proc/{}/fd/0", terminal.program())).unwrap();
    let columns = columns.to_string();
    let resized = Command::new("stty").arg("-F").arg(device).args(["cols", &columns]).status().unwrap();
    assert!(resized.success());
}

#[test]
fn the_kitchen_is_drawn_anew_when_the_terminal_is_resized() {
    const FRAME: &str = "\x1b[H";
    for look in ["", " --projector"] {
        let Some(mut terminal) = Terminal::in_columns(80, &format!("kitchen{look}")) else { return };
        terminal.wait_for(TAKEN);
        terminal.wait_for("soup");
        resize(&terminal, 40);
        terminal.wait_for(GIVEN_BACK);
        let (drawn, _) = terminal.shown.split_once(GIVEN_BACK).unwrap();
        let frames: Vec<_> = drawn.split(FRAME).skip(1).map(lines).collect();
        // Two frames may have been begun for the old size: one before, and one that was being drawn.
        let last = frames.last().unwrap();
        assert!(frames.len() > 5 && width(widest(last)) <= 40, "{last:?}");
        assert!(last.iter().any(|line| width(line) == 39), "the lanes reach the new edge: {last:?}");
    }
}

#[test]
fn a_projector_needs_a_terminal() {
    let ran = crate::common::program::run(&["kitchen", "--projector"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("--projector") && ran.stderr.lines().count() == 1, "{}", ran.stderr);
}
