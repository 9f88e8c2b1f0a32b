//! `pictures`: draws the pictures of the documents from the recordings in `docs/timelines`.
//!
//! ```text
//! cargo run -p brigade-demos --bin pictures               draws them again
//! cargo run -p brigade-demos --bin pictures -- --record   records the scenarios first, or some by name
//! ```

use brigade_demos::{
    cli,
    pictures::{
        ALL,
        predictions::{self, CASES, Case},
    },
};
use brigade_trace::Recording;
use std::{
    env,
    error::Error,
    fs,
    fs::File,
    process::{Command, ExitCode, Stdio},
};

fn main() -> ExitCode {
    cli::report_panics_briefly();
    // Nothing else comes first: a child of a process pool is this program too, and becomes a worker here.
    brigade_process::init();
    let arguments: Vec<_> = env::args().skip(1).collect();
    let made = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => draw(),
        ["--record", ref names @ ..] => record_those(names).and_then(|()| draw()),
        // A scenario that is recorded.
        _ => return cli::main(),
    };
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pictures: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Records what the documents show: the recordings with these names, or all.
fn record_those(names: &[&str]) -> Result<(), Box<dyn Error>> {
    let is_meant = |name: &str| names.is_empty() || names.contains(&name);
    for picture in ALL.iter().filter(|picture| is_meant(picture.name)) {
        picture.keep(record(picture.command)?)?;
    }
    let file_name = |case: &Case| format!("what-if/{}", case.name);
    CASES.iter().filter(|case| is_meant(&file_name(case))).try_for_each(record_case)
}

/// Records a run, and then with the change, as `what-if` would run it.
fn record_case(case: &Case) -> Result<(), Box<dyn Error>> {
    let before = record(case.command)?;
    let changed = case.changed(&before)?;
    let after = record(&changed.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(case.keep([before, after])?)
}

/// Records a scenario by a run of this program.
fn record(words: &[&str]) -> Result<Recording, Box<dyn Error>> {
    let file = env::temp_dir().join(format!("brigade-picture-{}.brigade", std::process::id()));
    let mut command = Command::new(env::current_exe()?);
    command.args(words).arg("--trace").arg(&file).stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.status()?;
    let recording = File::open(&file).and_then(Recording::read_from);
    fs::remove_file(&file)?;
    // A deadlock that was found has an exit code of its own.
    if !matches!(status.code(), Some(0 | 3)) {
        return Err(format!("brigade {}: {status}", words.join(" ")).into());
    }
    Ok(recording?)
}

fn draw() -> Result<(), Box<dyn Error>> {
    for picture in ALL {
        for (path, content) in picture.files(&picture.read()?) {
            fs::write(&path, content)?;
            println!("{}", path.file_name().unwrap_or_default().display());
        }
    }
    for (path, content) in predictions::documents()? {
        fs::write(&path, content)?;
        println!("{}", path.file_name().unwrap_or_default().display());
    }
    Ok(())
}
