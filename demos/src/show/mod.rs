//! What the reader sees: a stage to speak from, a table, a bar chart, lanes, a progress line.
//!
//! Everything here looks right in 80 columns, in a pipe and without colour: colour only repeats what the words say.

mod chart;
mod lanes;
mod phases;
mod progress;
mod stage;
mod table;
mod text;

pub use chart::chart;
pub use lanes::{Going, Lanes, Step};
pub use phases::phases;
pub use progress::Progress;
pub use stage::{Setting, Stage};
pub use table::{Column, Table};
pub use text::{Ink, count, memory, worker, wrap};
