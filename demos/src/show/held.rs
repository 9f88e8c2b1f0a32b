//! Lines that scenarios print while something else is drawn on the screen (`--lanes`).

use super::output::{exit_unless_written, is_dumb, write_patiently};
use std::{
    io::{self, IsTerminal},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The lines that wait until the screen is free, if something else is drawn there.
static HELD: Mutex<Option<Vec<String>>> = Mutex::new(None);

fn held() -> MutexGuard<'static, Option<Vec<String>>> {
    // No panic can leave the lines half changed.
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the lines, if lines are held back. Returns whether they are.
pub(super) fn keep(text: &str) -> bool {
    let mut held = held();
    let Some(lines) = &mut *held else { return false };
    lines.extend(text.lines().map(str::to_owned));
    true
}

/// Whether lines are held back.
pub(super) fn is_held() -> bool {
    held().is_some()
}

/// Holds the lines of all outputs back from now on.
pub(super) fn hold() {
    held().get_or_insert_default();
}

/// The last lines that are held back.
pub(super) fn held_lines(count: usize) -> Vec<String> {
    held().as_ref().map_or(Vec::new(), |lines| lines[lines.len().saturating_sub(count)..].to_vec())
}

/// Writes the lines that were held back, and holds none any more.
pub(crate) fn release() {
    let lines = held().take().unwrap_or_default();
    if !lines.is_empty() {
        exit_unless_written(write_patiently(&mut io::stdout(), (lines.join("\n") + "\n").as_bytes()));
    }
}

/// Whether the standard output is a terminal that can be drawn on.
pub(super) fn has_screen() -> bool {
    io::stdout().is_terminal() && !is_dumb()
}
