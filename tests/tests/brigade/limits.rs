//! The system refuses threads, processes, descriptors, memory or room: one line says what, and what to do.

use crate::common::program::{Ran, brigade};
use std::{
    fs::OpenOptions,
    process::{Command, Stdio},
};

/// Runs the program under a limit of the shell, such as `-n 5`. Limits of processes do not hold for root:
/// then the program runs as a user of its own. Returns None, and says so, if that cannot be.
fn under(limit: &str, arguments: &str) -> Option<Ran> {
    let program = env!("CARGO_BIN_EXE_brigade");
    // An abort would leave a core file.
    let line = format!("ulimit -c 0; ulimit {limit}; exec '{program}' {arguments}");
    let mut shell = Command::new("sh");
    if limit.starts_with("-u") && is_root() {
        let id = (200_000 + std::process::id()).to_string();
        shell = Command::new("setpriv");
        shell.args(["--reuid", &id, "--regid", &id, "--clear-groups", "bash"]);
    } else if limit.starts_with("-u") {
        // The user's own processes count as well, and nobody knows how many there are.
        println!("skipped: only root can run a program as a user without processes");
        return None;
    }
    let output = shell.args(["-c", &line]).stdin(Stdio::null()).output();
    let ran = Ran::read(output.ok()?);
    let unfit = ["setpriv:", "Permission denied", "loading shared libraries"];
    if unfit.iter().any(|words| ran.stderr.contains(words)) {
        println!("skipped: {}", ran.stderr);
        return None;
    }
    Some(ran)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Checks that a run that failed has one line on standard error, which names the remedy and blames nobody.
fn is_told(limit: &str, arguments: &str, remedy: &str) {
    if let Some(ran) = under(limit, arguments) {
        check_told(&ran, limit, arguments, remedy);
    }
}

fn check_told(ran: &Ran, limit: &str, arguments: &str, remedy: &str) {
    let Ran { code, stdout, stderr } = ran;
    if *code == Some(0) {
        return;
    }
    let page = format!("ulimit {limit}, {arguments}: {code:?}\n{stdout}{stderr}");
    assert!(matches!(code, Some(1 | 126)), "{page}");
    assert!(!stderr.contains("something is wrong in brigade"), "{page}");
    // A failure of a single request stands below the table.
    assert!(stderr.lines().count() == usize::from(!stdout.contains(" failed")), "{page}");
    let told = format!("{stdout}{stderr}").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(remedy), "{page}");
}

#[test]
fn a_limit_of_threads_is_told_in_every_scenario() {
    for threads in 1..=6 {
        for arguments in [
            "hello --speed 100",
            "thread --speed 100",
            "daemon --speed 100",
            "kitchen --speed 100",
            "producer-consumer --speed 100",
            "io --requests 2 --delay 0",
            "io --requests 2 --url http://localhost:1/",
            "cpu --n 10",
            "decide -- true",
        ] {
            // With more threads the requests fail because nobody listens.
            if threads <= 4 || !arguments.contains("localhost") {
                is_told(&format!("-u {threads}"), arguments, "ulimit -u");
            }
        }
    }
}

#[test]
fn a_limit_of_descriptors_is_told() {
    for descriptors in [4, 5, 6, 7, 8, 12] {
        let limit = format!("-n {descriptors}");
        for arguments in
            ["hello --speed 100", "kitchen --speed 100", "io --requests 2 --delay 0", "cpu --n 10"]
        {
            is_told(&limit, arguments, "ulimit -n");
        }
        if descriptors < 7 {
            is_told(&limit, "serve --port 0", "ulimit -n");
        }
    }
}

/// Where memory is so short that a thread has none of its own to allocate from, each allocation is a system
/// call or more. Taking a lock allocates nothing, so millions of locks take as long as ever.
#[test]
fn short_memory_makes_no_lock_slow() {
    if let Some(ran) = under("-v 150000", "lock") {
        check_told(&ran, "-v 150000", "lock", "ulimit -v");
    }
}

#[test]
fn a_limit_of_memory_is_told() {
    let (limit, arguments) = ("-v 300000", "cpu --n 10 --workers 200");
    // The last thread that the system grants may find no memory to begin with. Then the standard library or
    // glibc aborts the process, whose threads nobody can help any more. So this is tried again.
    let aborted = |ran: &Ran| {
        ran.code.is_none()
            && ["memory allocation", "out of memory"].iter().any(|words| ran.stderr.contains(words))
    };
    let mut runs = (0..20).map_while(|_| under(limit, arguments));
    if let Some(ran) = runs.find(|ran| !aborted(ran)) {
        check_told(&ran, limit, arguments, "ulimit -v");
    }
}

#[test]
fn a_full_disk_is_told_wherever_something_is_printed() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for arguments in
        [&["list"][..], &["--help"], &["--version"], &["io", "--help"], &["race"], &["cpu", "--n", "9"]]
    {
        let output = brigade(arguments).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let ran = Ran::read(output);
        assert_eq!((ran.code, ran.stderr.lines().count()), (Some(1), 1), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("No space left") && ran.stderr.contains("make room"), "{}", ran.stderr);
    }
    // With nowhere to complain the exit code tells.
    let output = brigade(&["list"]).stdout(full()).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let output = brigade(&["boil"]).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let output = brigade(&["io", "sync", "--workers", "1"]).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_pipe_that_nobody_reads_ends_the_program_as_it_ends_others() {
    for arguments in [&["list"][..], &["--help"], &["cpu", "--n", "9"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = Ran::read(brigade(arguments).stdout(writer).output().unwrap());
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(141), ""), "{arguments:?}");
    }
}

#[test]
fn standard_streams_that_are_closed_stop_nothing() {
    let program = env!("CARGO_BIN_EXE_brigade");
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        for arguments in ["executor --speed 100", "io --requests 2 --delay 0", "decide -- true", "list"] {
            let line = format!("'{program}' {arguments} {closed}");
            let status = Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).output().unwrap().status;
            assert_eq!(status.code(), Some(0), "{line}");
        }
    }
}

#[test]
fn without_a_home_everything_but_the_quiz_runs() {
    let ran = Ran::read(brigade(&["executor", "--speed", "100"]).env_remove("HOME").output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let ran = Ran::read(brigade(&["cards", "--print"]).env_remove("HOME").output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}
