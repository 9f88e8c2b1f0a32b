//! The program `brigade` as a user runs it: what it prints, how it fails, what it leaves behind.
//!
//! The package brigade-demos builds this suite (see its manifest), because it knows where the program is.
//! `common` runs the program, and is shared with the tests of that package. `program` handles it as a
//! process, `server` is a peer on loopback that behaves as badly as a test wants.

// A test fails by panicking, and so do the functions that it calls.
#![allow(clippy::unwrap_used)]

mod attaching;
#[path = "../../../demos/tests/common/mod.rs"]
mod common;
mod explained;
mod exploring;
mod failures;
mod hygiene;
mod json;
mod killed;
mod limits;
mod program;
mod recordings;
mod refusals;
mod server;
mod sizes;
mod terminal;
mod tour;
