//! The program `brigade` as a user runs it: what it prints, how it fails, what it leaves behind.
//!
//! Built by the package brigade-demos (see its manifest), which knows where the program is. `program` runs it, `server` is
//! a peer on loopback that behaves as badly as a test wants.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

mod failures;
mod hygiene;
mod program;
mod server;
mod terminal;
mod tour;
