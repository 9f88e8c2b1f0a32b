//! `brigade view FILE`: shows a recording as text, or writes it as a page, a picture or for Perfetto.

use crate::{
    options::{Takes, is_given},
    recorder::{Destination, cannot},
    scenario::{CommandError, Exit},
    show::Output,
};
use brigade_timeline::{Timeline, text};
use brigade_trace::Recording;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The options that write a file, and where one opens it.
const OPEN_IN: [(&str, &str); 3] = [
    ("html", "in a browser"),
    ("svg", "in a browser, or show it on a page"),
    ("pftrace", "in ui.perfetto.dev"),
];

/// The command.
pub(crate) fn command() -> Command {
    let path = || value_parser!(PathBuf);
    let file = Arg::new("file").value_name("FILE").required(true).value_parser(path());
    let out = |form: &'static str| Arg::new(form).long(form).value_name("OUT").value_parser(path());
    let text = Arg::new("text").long("text").action(ArgAction::SetTrue);
    Command::new("view")
        .about("Show a recording that --trace or a program wrote")
        .arg(file.help("The recording, such as run.brigade"))
        .arg(out("html").help("Write it as a page that any browser opens"))
        .arg(out("svg").help("Write it as a static picture"))
        .arg(out("pftrace").help("Write it for ui.perfetto.dev"))
        .arg(text.help("Show it as text, which is the default"))
}

/// Shows the recording.
pub(crate) fn show(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    Takes::NEITHER.check("view", matches)?;
    Takes::check_trace("view", matches)?;
    if is_given(matches, "json") {
        return Err(CommandError::usage("--json changes nothing in `view`: leave it out"));
    }
    let path = matches.get_one::<PathBuf>("file").expect("clap requires it");
    let recording =
        File::open(path).and_then(Recording::read_from).map_err(|error| cannot("read", path, error))?;
    let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    let mut is_written = false;
    for (form, what) in OPEN_IN {
        if let Some(out) = matches.get_one::<PathBuf>(form) {
            refuse_recording(path, out)?;
            Destination::in_form(out.clone(), form).write(&recording, &name)?;
            output.line(format_args!("Open {} {what}.", out.display()));
            is_written = true;
        }
    }
    if !is_written || matches.get_flag("text") {
        text(&Timeline::of(&recording), output.width()).lines().for_each(|line| output.line(line));
    }
    Ok(Exit::SUCCESS)
}

/// A page must not go over a recording, of which it could not be made again.
fn refuse_recording(file: &Path, out: &Path) -> Result<(), CommandError> {
    let identity = |path: &Path| fs::metadata(path).ok().map(|data| (data.dev(), data.ino()));
    let is_same = identity(file).is_some_and(|file| identity(out) == Some(file));
    if is_same || out.extension().is_some_and(|ending| ending == "brigade") {
        let out = out.display();
        return Err(CommandError::usage(format!(
            "{out} is a recording, which would be lost: name another file"
        )));
    }
    Ok(())
}
