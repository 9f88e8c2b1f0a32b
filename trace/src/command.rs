//! The command that started this program, for recordings.

use std::sync::OnceLock;

static WORDS: OnceLock<Vec<String>> = OnceLock::new();

/// Has the recordings of this process say which command made them: its words, without the program. They are
/// nobody's secret afterwards, since a recording is shown to others. The first call counts.
///
/// ```
/// brigade_trace::tell_command(["bake", "--loaves", "3"].map(String::from));
/// assert_eq!(brigade_trace::ProcessInfo::here().command, ["bake", "--loaves", "3"]);
/// ```
pub fn tell_command(words: impl IntoIterator<Item = String>) {
    WORDS.get_or_init(|| words.into_iter().collect());
}

/// The words that were told.
pub(crate) fn words() -> Vec<String> {
    WORDS.get().cloned().unwrap_or_default()
}
