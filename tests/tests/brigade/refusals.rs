//! Options and URLs that would do nothing, or cannot work, are refused at once: one line, exit code 2.

use crate::common::program::run;
use brigade_demos::scenarios::ALL;

/// Runs this, and checks that it is refused with one line on standard error that holds all of `words`.
fn is_refused(arguments: &[&str], words: &[&str]) {
    let ran = run(arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ran.stderr);
    let lines = ran.stderr.lines().count();
    assert!(
        lines == 1 && words.iter().all(|word| ran.stderr.contains(word)),
        "{arguments:?}: {}",
        ran.stderr
    );
}

#[test]
fn shared_options_are_refused_where_they_change_nothing() {
    for scenario in ALL {
        let name = scenario.name;
        if !scenario.takes_speed {
            is_refused(&[name, "--speed", "2"], &["--speed", name, "leave it out"]);
            is_refused(&["--speed", "2", name], &["--speed", name, "leave it out"]);
        }
        if !scenario.takes_workers {
            is_refused(&[name, "--workers", "7"], &["--workers", name, "io, cpu, executor"]);
            is_refused(&["--workers", "7", name], &["--workers", name, "io, cpu, executor"]);
        }
        is_refused(&["--quick", name], &["--quick", "tour"]);
    }
    is_refused(&["list", "--workers", "7"], &["--workers", "`list`"]);
    is_refused(&["list", "--speed", "7"], &["--speed", "`list`"]);
}

#[test]
fn the_help_lists_shared_options_only_where_they_act() {
    for scenario in ALL {
        let help = run(&[scenario.name, "--help"]).stdout;
        assert_eq!(help.contains("--speed"), scenario.takes_speed, "{}", scenario.name);
        assert_eq!(help.contains("--workers"), scenario.takes_workers, "{}", scenario.name);
        assert!(help.contains("--json"), "{}", scenario.name);
    }
}

#[test]
fn an_option_that_another_one_overrides_is_refused() {
    is_refused(&["--quick", "--speed", "2"], &["--quick", "--speed", "one of them"]);
    is_refused(&["io", "--delay", "0", "--speed", "2"], &["--speed", "--delay"]);
    is_refused(&["io", "--url", "http://127.0.0.1:1/", "--speed", "2"], &["--speed", "--url"]);
    is_refused(&["io", "sync", "--workers", "2"], &["--workers", "threads and processes"]);
    is_refused(&["io", "async", "--workers", "2"], &["--workers", "threads and processes"]);
    is_refused(&["cpu", "sync", "--workers", "2"], &["--workers", "threads and processes"]);
    is_refused(&["decide", "--speed", "2", "--", "true"], &["--speed", "command"]);
    is_refused(&["cards", "--print", "--speed", "2"], &["--speed", "--print"]);
    is_refused(&["io", "--explain", "--requests", "2"], &["--explain", "`io`"]);
    is_refused(&["hello", "--explain", "--speed", "2"], &["--explain", "`hello`"]);
}

#[test]
fn an_option_acts_before_and_behind_its_command() {
    for arguments in [["--speed", "1000", "hello"], ["hello", "--speed", "1000"]] {
        let ran = run(&arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
    }
    let ran = run(&["--workers", "3", "executor", "--speed", "100"]);
    assert!(ran.stdout.contains("with 3 at a time"), "{}", ran.stdout);
}

#[test]
fn a_url_that_is_none_is_refused_once_and_before_any_mode_runs() {
    let cases = [
        ("example.org", "write http:// or https://"),
        ("ftp://127.0.0.1/", "scheme ftp"),
        ("http://", "not a URL"),
        ("http://127.0.0.1:99999/", "65535"),
        ("http://127.0.0.1:0/", "port 0"),
        ("", "not a URL"),
    ];
    for (url, why) in cases {
        let ran = run(&["io", "--url", "http://127.0.0.1:1/", "--url", url]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{url}: {}", ran.stderr);
        assert_eq!(ran.stderr.matches("--url <URL>").count(), 1, "{url}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{url}: {}", ran.stderr);
    }
}
