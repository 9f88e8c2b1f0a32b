//! The roles of this executable as a child of itself: to generate load, to serve, or to be measured in a
//! fresh process.

use crate::{
    group::{demos, process, runtime},
    load,
};
use std::env;

/// Plays the role that the command line names. Returns true if it named one, so that the process is done.
///
/// Every program that runs benches calls this at the begin of `main`, because the child is the same
/// executable.
pub fn play() -> bool {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [load::ROLE, ref rest @ ..] => load::generator::main(rest),
        [runtime::memory::ROLE, ref rest @ ..] => runtime::memory::main(rest),
        [demos::server::ROLE] => demos::server::main(),
        [process::ROLE] => process::answer_and_end(),
        _ => return false,
    }
    true
}
