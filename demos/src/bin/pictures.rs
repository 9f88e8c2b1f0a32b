//! `pictures`: draws the pictures of the documents from the recordings in `docs/timelines`.
//!
//! ```text
//! cargo run -p brigade-demos --bin pictures               draws them again
//! cargo run -p brigade-demos --bin pictures -- --record   records the scenarios first
//! ```

use brigade_demos::{
    cli,
    pictures::{ALL, Picture},
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
        ["--record"] => ALL.iter().try_for_each(record).and_then(|()| draw()),
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

/// Records a scenario by a run of this program.
fn record(picture: &Picture) -> Result<(), Box<dyn Error>> {
    let file = env::temp_dir().join(format!("brigade-picture-{}.brigade", std::process::id()));
    let mut command = Command::new(env::current_exe()?);
    command.args(picture.command).arg("--trace").arg(&file).stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.status()?;
    let recording = File::open(&file).and_then(Recording::read_from);
    fs::remove_file(&file)?;
    // A deadlock that was found has an exit code of its own.
    if !matches!(status.code(), Some(0 | 3)) {
        return Err(format!("brigade {}: {status}", picture.command.join(" ")).into());
    }
    Ok(picture.keep(recording?)?)
}

fn draw() -> Result<(), Box<dyn Error>> {
    for picture in ALL {
        for (path, content) in picture.files(&picture.read()?) {
            fs::write(&path, content)?;
            println!("{}", path.file_name().unwrap_or_default().display());
        }
    }
    Ok(())
}
