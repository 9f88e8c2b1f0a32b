//! The errors of a pool whose program cannot be started again, and pools that start all the same: a program
//! that was run by the loader's command, deleted, replaced, without `/proc`, on a file system where nothing
//! may be executed.

use crate::{path::Path, sys};
use brigade_process::{Argv, Local, ProcessPool};
use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{self, Command, Stdio},
};

const MODE: &str = "BUILD_A_POOL";

/// In a process that was asked to: does to itself what its mode says, builds a pool, and prints the error,
/// or that it works.
pub(crate) fn build_a_pool_if_asked() {
    let Ok(mode) = env::var(MODE) else { return };
    let this = env::current_exe();
    let mut launchers: Vec<(&str, Option<Argv>)> = vec![("local", None)];
    match &mode[..] {
        "by its loader" => launchers.push(("argv", Some(Argv::new(["env"])))),
        "elsewhere" => {
            launchers = vec![("argv", Some(Argv::new(["env"]).program(env::var("PROGRAM").unwrap())))]
        }
        "deleted" => {
            fs::remove_file(this.unwrap()).unwrap();
            launchers.push(("argv", Some(Argv::new(["env"]))));
        }
        "replaced" => {
            let other = this.as_ref().unwrap().with_extension("other");
            fs::write(&other, "this is no program").unwrap();
            fs::rename(other, this.unwrap()).unwrap();
        }
        "observed" | "observed by its builder" => {
            let builder = ProcessPool::builder().workers(1);
            let builder = if mode == "observed" { builder } else { builder.report_stuck() };
            let procs = builder.build().unwrap();
            println!("{} {}", brigade_trace::on(), brigade_trace::live::fetch(process::id()).is_ok());
            drop(procs);
            process::exit(0);
        }
        "without proc" => sys::unmount_proc(),
        // Another process mounts it anew meanwhile.
        _ => {
            println!("loaded");
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        }
    }
    for (name, argv) in launchers {
        let builder = ProcessPool::builder().workers(1);
        let built = match argv {
            Some(argv) => builder.launcher(argv).build(),
            None => builder.launcher(Local::default()).build(),
        };
        match built.map(|procs| procs.spawn(|n: u32| n + 1, 1).join()) {
            Ok(Ok(2)) => println!("{name}: works"),
            Ok(other) => println!("{name}: {other:?}"),
            Err(error) => println!("{name}: {error}"),
        }
    }
    process::exit(0);
}

/// The output of this program, or a copy of it, when it is run so.
fn said(command: &mut Command, mode: &str) -> Vec<String> {
    let output = command.env(MODE, mode).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{mode}: {}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A copy of this program, in a folder of its own, which is removed when it is dropped.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("brigade-{name}-{}-{:?}", process::id(), Path::now()));
        fs::create_dir(&folder).unwrap();
        fs::copy(env::current_exe().unwrap(), folder.join("program")).unwrap();
        Self(folder)
    }

    fn command(&self) -> Command {
        Command::new(self.0.join("program"))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The loader of this program, if it has one.
fn loader() -> Option<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    paths.map(str::to_owned).find(|path| path.rsplit('/').next().is_some_and(|name| name.starts_with("ld-")))
}

pub(crate) fn a_program_that_its_loader_runs_as_a_command_is_refused() {
    let Some(loader) = loader() else { return println!("skipped: this program has no loader") };
    let this = env::current_exe().unwrap();
    let lines = said(Command::new(&loader).arg(&this), "by its loader");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines.iter().all(|line| line.contains("cannot be started again") && line.contains(&loader)),
        "{lines:?}"
    );
    // It does not matter where workers are started by another path.
    let lines = said(Command::new(&loader).arg(&this).env("PROGRAM", &this), "elsewhere");
    assert_eq!(lines, ["argv: works"]);
}

pub(crate) fn a_program_that_was_deleted_or_replaced_goes_on() {
    let lines = said(&mut Copy::new("deleted").command(), "deleted");
    assert_eq!(lines[0], "local: works");
    assert!(lines[1].contains("deleted or moved"), "{lines:?}");
    let lines = said(&mut Copy::new("replaced").command(), "replaced");
    assert_eq!(lines, ["local: works"]);
}

pub(crate) fn a_program_with_only_this_pool_can_be_observed() {
    let this = env::current_exe().unwrap();
    assert_eq!(said(Command::new(&this).env("BRIGADE_STUCK", "1"), "observed"), ["true false"]);
    assert_eq!(said(&mut Command::new(&this), "observed by its builder"), ["true false"]);
    assert_eq!(said(Command::new(&this).env("BRIGADE_ATTACH", "1"), "observed"), ["true true"]);
}

pub(crate) fn a_program_without_proc_is_refused() {
    if !sys::may_mount() {
        return println!("skipped: this process may not unmount /proc");
    }
    let lines = said(&mut Command::new(env::current_exe().unwrap()), "without proc");
    assert!(lines[0].contains("is /proc mounted?"), "{lines:?}");
}

const FOLDER: &str = "MOUNT_A_FOLDER";

/// In a process that was asked to: has a copy of this program build a pool on a file system that is mounted
/// anew meanwhile.
pub(crate) fn mount_a_folder_if_asked() {
    let Ok(folder) = env::var(FOLDER) else { return };
    sys::mount_memory(&folder);
    let program = PathBuf::from(&folder).join("program");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(program);
    command.env_remove(FOLDER).env(MODE, "nothing is executed").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "loaded");
    sys::forbid_execution(&folder);
    drop(child.stdin.take());
    lines.for_each(|line| println!("{}", line.unwrap()));
    process::exit(child.wait().unwrap().code().unwrap());
}

pub(crate) fn a_program_where_nothing_may_be_executed_is_refused() {
    if !sys::may_mount() {
        return println!("skipped: this process may not mount");
    }
    let copy = Copy::new("noexec");
    let mut command = Command::new(env::current_exe().unwrap());
    let output = command.env(FOLDER, &copy.0).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("exec") && told.contains("Permission denied"), "{told}");
}
