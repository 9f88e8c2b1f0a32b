//! What this executable does as a child of itself: generate load, serve, or be measured in a fresh process.

use crate::{
    group::{demos, runtime},
    load,
};
use std::env;

/// Plays the role that the command line names, if it names one; true if the process has then done its part.
///
/// Called at the begin of `main` by every program that runs benches, since the child is the same executable.
pub fn play() -> bool {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [load::ROLE, ref rest @ ..] => load::generator::main(rest),
        [runtime::memory::ROLE, ref rest @ ..] => runtime::memory::main(rest),
        [demos::server::ROLE] => demos::server::main(),
        _ => return false,
    }
    true
}
