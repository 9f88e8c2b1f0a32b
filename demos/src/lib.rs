//! Every scenario of the document, on three executors written from scratch. The binary `brigade` is its
//! command line.
//!
//! # Nouns
//!
//! * [`scenario::Scenario`]: a command that shows one idea. [`scenarios::ALL`] lists them; each is one file
//!   in [`scenarios`].
//! * [`show::Output`]: what a scenario prints, for people or (with `--json`) for programs.
//! * [`experiment::Experiment`]: the same work in several modes, measured and compared.
//! * [`fetch`]: one HTTP request by two clients with one contract. [`server::Server`]: the server that
//!   answers.
//! * [`experiment::python`]: the same work by the machine's Python, to compare with.
//! * [`interrupt`]: what Ctrl-C does.
//! * [`pictures`]: the pictures of the documents, drawn from recordings.
//! * [`code`]: the document's Python beside the Rust of a scenario.
//!
//! Read [`scenarios::io`] first: its four modes are four small files.

mod attach;
pub mod cli;
pub mod code;
pub mod experiment;
mod explaining;
mod exploring;
pub mod fetch;
pub mod interrupt;
mod options;
pub mod pictures;
pub mod pools;
mod recorded;
mod recorder;
mod refusal;
mod remedy;
pub mod scenario;
pub mod scenarios;
pub mod server;
pub mod show;
pub mod sums;
// Unsafe: system calls that keep a command of the user's on a leash.
#[allow(unsafe_code)]
mod sys;
mod view;
