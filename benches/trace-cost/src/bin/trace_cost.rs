//! The work with the trace's calls: `trace-cost WORK [off|on]`. `compare trace` starts it.

use std::process::ExitCode;

fn main() -> ExitCode {
    brigade_trace_cost::main()
}
