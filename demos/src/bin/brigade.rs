//! The binary `brigade`.

use std::process::ExitCode;

fn main() -> ExitCode {
    brigade_demos::cli::report_panics_briefly();
    // Nothing else comes first: a child of a process pool is this program too, and becomes a worker here.
    brigade_process::init();
    brigade_demos::cli::main()
}
