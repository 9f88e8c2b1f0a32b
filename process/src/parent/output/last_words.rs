//! The last lines that the command in front of a worker has printed on stderr: mostly the reason for its end.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many lines are kept.
const MAX_LINES: usize = 4;
/// How many bytes of a line are kept.
const MAX_BYTES: usize = 240;

/// The last lines of one worker. The reading thread notes them, and the supervisor quotes them.
#[derive(Debug, Default)]
pub(crate) struct LastWords(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    is_frozen: bool,
    are_complete: bool,
}

impl LastWords {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a line. Blank ones say nothing.
    pub(super) fn note(&self, line: &[u8]) {
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        let kept = String::from_utf8_lossy(&line[..line.len().min(MAX_BYTES)]);
        // A command may have meant it for a terminal.
        let kept = kept.replace(char::is_control, " ");
        let mut state = self.lock();
        if state.is_frozen {
            return;
        }
        if state.lines.len() == MAX_LINES {
            state.lines.pop_front();
        }
        state.lines.push_back(kept);
    }

    /// Notes no more lines.
    pub(crate) fn freeze(&self) {
        self.lock().is_frozen = true;
    }

    /// Notes that no more lines will come.
    pub(super) fn complete(&self) {
        self.lock().are_complete = true;
    }

    /// Whether no more lines will come.
    pub(crate) fn are_complete(&self) -> bool {
        self.lock().are_complete
    }

    /// The lines, as one.
    pub(crate) fn text(&self) -> String {
        self.lock().lines.iter().map(String::as_str).collect::<Vec<_>>().join(" / ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_made_fit_to_show() {
        let words = LastWords::default();
        for n in 0..100 {
            words.note(format!("line {n}\r").as_bytes());
            words.note(b"  ");
        }
        words.note(&[0xff, 7, b'x']);
        assert_eq!(words.text(), "line 97 / line 98 / line 99 / \u{fffd} x");
        words.note(&[b'y'; 10_000]);
        assert!(words.text().len() < MAX_LINES * (MAX_BYTES + 3));
        words.freeze();
        words.note(b"too late");
        assert!(!words.text().contains("too late") && !words.are_complete());
        words.complete();
        assert!(words.are_complete());
    }
}
