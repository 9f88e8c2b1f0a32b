//! The same work without the trace's calls, for `compare trace`. It is built with the feature `compiled-out`.

use std::process::ExitCode;

fn main() -> ExitCode {
    brigade_trace_cost::main()
}
