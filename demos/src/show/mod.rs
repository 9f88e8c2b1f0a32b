//! Everything that the reader sees: the output of a scenario, tables, bar charts, lanes, a progress line, the
//! tree of awaits, and the phases of tasks.
//!
//! All of it looks right in 80 columns, in a pipe and without colour: colour only repeats what the
//! words say.

mod await_tree;
mod chart;
mod lanes;
mod output;
mod phases;
mod progress;
mod table;
mod text;
mod ticker;

pub use await_tree::show_await_tree;
pub use chart::bar_chart;
pub use lanes::{Activity, Lanes, StepGuard};
pub(crate) use output::print_page;
pub use output::{Output, Settings};
pub use phases::show_phases;
pub use progress::{Laps, Progress};
pub use table::{Column, Table};
pub use text::{Style, mebibytes, thousands, worker_name, wrap};
