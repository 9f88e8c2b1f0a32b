//! `readme-table`: copies a few rows of `benches/RESULTS.md` into `README.md`.

use brigade_benches::report::readme;
use std::process::ExitCode;

fn main() -> ExitCode {
    match readme::write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("README.md is as it was: {error}");
            ExitCode::FAILURE
        }
    }
}
