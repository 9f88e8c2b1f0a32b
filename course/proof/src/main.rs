//! All submissions of all labs in one program, each with the command line of a runner behind its name:
//! `course-submissions 01-block-on/reference TEST …`.

use brigade_course_kit::{self as kit, runner};
use std::{env, process::ExitCode};

/// A lab, the name of a submission, and its runner.
type Submission = (&'static str, &'static str, fn(&mut dyn Iterator<Item = String>) -> ExitCode);

include!(concat!(env!("OUT_DIR"), "/submissions.rs"));

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let asked = arguments.next().unwrap_or_default();
    match ALL.iter().find(|(lab, name, _)| asked == format!("{lab}/{name}")) {
        Some((.., run)) => run(&mut arguments),
        None => {
            let names: Vec<_> = ALL.iter().map(|(lab, name, _)| format!("{lab}/{name}")).collect();
            eprintln!("no submission {asked:?}; there are\n{}", names.join("\n"));
            ExitCode::from(2)
        }
    }
}
