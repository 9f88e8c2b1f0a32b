//! Everything that the reader sees: the output of a scenario, tables, bar charts, lanes, a progress line, the
//! tree of awaits, and the phases of tasks.
//!
//! All of it looks right in 40 columns and in 200, in a pipe and without colour: colour only repeats what the
//! words say. Text is broken at spaces; drawings use the whole width.

mod await_tree;
mod canvas;
mod chart;
mod held;
mod lanes;
mod live_lanes;
mod output;
mod page;
mod phases;
mod progress;
mod projector;
mod screen;
mod table;
mod text;
mod ticker;

pub use await_tree::show_await_tree;
pub use canvas::{Canvas, Look};
pub use chart::bar_chart;
pub(crate) use held::release as release_output;
pub use lanes::{Activity, Lanes, StepGuard};
pub(crate) use live_lanes::LiveLanes;
pub use output::{ChildOutput, Output, Settings};
pub(crate) use page::{complain, print_page};
pub use phases::show_phases;
pub use progress::{CpuClock, Laps, Progress};
pub(crate) use screen::Screen;
pub use table::{Column, Table};
pub use text::{Style, counted, mebibytes, thousands, worker_name, wrap};
