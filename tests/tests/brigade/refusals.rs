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
fn what_a_command_does_not_know_is_told_in_one_line() {
    is_refused(&["boil"], &["no command boil", "`brigade list`"]);
    is_refused(&["help", "boil"], &["no command boil", "`brigade list`"]);
    is_refused(&["helo"], &["hello", "`brigade list`"]);
    is_refused(&["--boil"], &["no option --boil", "`brigade --help`"]);
    is_refused(
        &["cards", "--deck", "basics"],
        &["`brigade cards basics`", "internals", "`brigade cards --help`"],
    );
    is_refused(&["io", "--mode=async"], &["`brigade io sync`", "processes"]);
    is_refused(&["cards", "fishes"], &["fishes is no deck", "basics, internals, all"]);
    is_refused(&["io", "sideways"], &["sideways is no mode", "sync, threads, async, processes, all"]);
    is_refused(&["decide", "true"], &["write -- true"]);
    for (words, missing, remedy) in [
        (&["top"][..], "<PID> is missing", "`brigade top <PID>`"),
        (&["why"], "<FILE> is missing", "`brigade why <FILE>`"),
        (&["diff"], "<A>, <B> are missing", "`brigade diff <A> <B>`"),
        (&["diff", "a"], "<B> is missing", "`brigade diff <A> <B>`"),
    ] {
        is_refused(words, &[missing, remedy]);
    }
    for number in ["soup", "-5", "99999999999"] {
        is_refused(&["tree", number], &[number, "not the number of a process"]);
    }
    is_refused(&["io", "--delay", "1", "--url", "http://a/"], &["--delay", "--url"]);
    is_refused(&["cpu", "--python-limit", "5"], &["--compare-python is missing"]);
    is_refused(&["--bo\x1b[2Jil\n"], &["u{1b}", "`brigade --help`"]);
    for scenario in ALL {
        let help = format!("`brigade {} --help`", scenario.name);
        is_refused(&[scenario.name, "--boil"], &["no option --boil", &help]);
        is_refused(&[scenario.name, "--boil", "9"], &["no option --boil", &help]);
        is_refused(&[scenario.name, "--json=2"], &["--json", &help]);
        is_refused(&[scenario.name, "--explain", "--code"], &["--explain", "--code", &help]);
    }
}

#[test]
fn a_wrong_value_is_told_in_one_line() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["--speed"], &["", "0", "-1", "fast", "nan", "inf", "1001", "1e9"]),
        (&["--workers"], &["", "0", "-1", "1.5", "many", "1025", "99999999999999999999"]),
        (&["io", "--requests"], &["", "0", "-1", "many", "1000001"]),
        (&["io", "--delay"], &["", "-1", "nan", "61", "soon"]),
        (&["io", "--timeout"], &["", "0", "-1", "nan", "86401"]),
        (&["io", "--compare-python", "--python-limit"], &["", "0", "-1", "nan", "long"]),
        (&["cpu", "--compare-python", "--python-limit"], &["", "0", "-1", "nan", "long"]),
        (&["cpu", "--n"], &["", "-1", "1.5", "1e7", "many", "99999999999999999999"]),
        (&["cpu", "--tasks"], &["", "0", "-1", "many", "100001"]),
        (&["cpu", "--launcher"], &["", " ", "sh -c 'exec"]),
        (&["serve", "--port"], &["", "-1", "65536", "http"]),
    ];
    for (arguments, values) in cases {
        let option = arguments.last().unwrap();
        // The option alone, and with each wrong value.
        is_refused(arguments, &[option, "--help`"]);
        for value in *values {
            is_refused(&[*arguments, &[value]].concat(), &[option, "--help`"]);
        }
    }
}

#[test]
fn a_help_names_nothing_that_only_our_files_explain() {
    for scenario in ALL {
        for page in ["--help", "--explain"] {
            let page = run(&[scenario.name, page]).stdout;
            assert!(!page.contains("document"), "{}: {page}", scenario.name);
        }
    }
    let page = run(&["--help"]).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains("\"Python Concurrency: Easy Notes with Examples\""), "{page}");
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
