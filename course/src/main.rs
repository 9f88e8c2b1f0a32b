//! The command line of the course.

mod command;

use brigade_course_kit::runner;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    runner::end_with_reader();
    match command::run(command::Line::parse()) {
        Ok(code) => code,
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::from(2)
        }
    }
}
