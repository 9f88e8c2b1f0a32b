//! The binary `brigade`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: a child of a process pool is this program too, and turns into a worker here.
    brigade_process::init();
    brigade_demos::cli::main()
}
