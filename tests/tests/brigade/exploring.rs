//! `brigade explore` and `brigade step`: each lesson is found, replayed and stepped through.

use crate::{
    common::{
        folder::Folder,
        program::{Ran, run},
    },
    terminal::{GIVEN_BACK, TAKEN, Terminal},
};
use brigade_explore::bugs;
use std::fs;

/// The page whose transcript is checked.
const PAGE: &str = include_str!("../../../docs/exploring.md");

/// Runs `brigade explore` with these words, which must end well.
fn explored(words: &[&str]) -> Ran {
    let ran = run(&[&["explore"], words].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{words:?}: {}", ran.stdout);
    ran
}

/// The schedule that a report tells.
fn schedule(report: &str) -> String {
    let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, rest) = words.split_once("--schedule '").unwrap_or_else(|| panic!("{report}"));
    rest.split('\'').next().unwrap().to_owned()
}

/// Explores each of these lessons, and replays its failure on both versions.
fn explore_and_replay(lessons: impl Iterator<Item = String>) {
    for name in lessons {
        let report = explored(&[&name, "--schedules", "6000"]).stdout;
        assert!(report.contains("The broken version fails"), "{name}: {report}");
        let cured = report.split("The cured version: ").nth(1).unwrap_or_else(|| panic!("{name}: {report}"));
        assert!(cured.contains(" pass"), "{name}: {report}");
        assert!(report.contains("The nearest that passes:"), "{name}: {report}");
        let wide = report.lines().find(|line| line.chars().count() > 80 && !line.contains("bugs/"));
        assert_eq!(wide, None, "{name}");
        let schedule = schedule(&report);
        let again = explored(&[&name, "--schedule", &schedule]).stdout;
        assert!(again.contains("The broken version fails under"), "{name}: {again}");
    }
}

fn names() -> Vec<String> {
    let objects = explored(&["list", "--json"]).objects();
    objects.iter().map(|object| object["lesson"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_lesson_is_found_and_replayed_and_its_cure_passes() {
    let names = names();
    assert_eq!(names.len(), bugs::ALL.len());
    std::thread::scope(|scope| {
        for half in 0..2 {
            let lessons = names.iter().skip(half).step_by(2).cloned();
            scope.spawn(move || explore_and_replay(lessons));
        }
    });
}

#[test]
fn the_transcript_of_the_page_is_current() {
    let printed = explored(&["race"]).stdout;
    let shown = PAGE.split_once("$ brigade explore race\n").unwrap().1.split_once("\n```").unwrap().0;
    assert_eq!(shown, printed.trim_end(), "put what `brigade explore race` prints on the page");
}

#[test]
fn a_deadlock_is_told_with_its_graph_and_the_number_of_schedules_is_that_of_the_runs() {
    let report = explored(&["deadlock", "--schedules", "300"]).stdout;
    for words in ["wait for each other in a circle", "held by task#", "two_locks.rs:13", "w2 brigade"] {
        assert!(report.contains(words), "{words}: {report}");
    }
    assert!(report.contains("300 schedules pass: all with at most 1 deviation"), "{report}");
    let objects = explored(&["race", "--json"]).objects();
    let of = |version: &str| objects.iter().find(|object| object["version"] == version).unwrap();
    assert_eq!(
        (of("broken")["fails"].as_bool(), of("broken")["class"].as_str()),
        (Some(true), Some("panic"))
    );
    assert_eq!(of("broken")["nearest_pass"], "");
    let number = of("cured")["schedules"].as_u64().unwrap();
    let words = format!("all {number} schedules with at most 2 deviations pass");
    assert!(explored(&["race", "--cured"]).stdout.contains(&words), "{words}");
}

#[test]
fn a_schedule_that_passes_or_does_not_fit_is_told() {
    let passes = explored(&["race", "--schedule", ""]).stdout;
    assert!(passes.contains("passes under this schedule") && passes.contains("store 1"), "{passes}");
    let cases: &[(&[&str], &str)] = &[
        (&["race", "--schedule", "w1.preempt.999=1"], "does not come to w1.preempt.999=1"),
        (&["race", "--schedule", "w1.jump.1=1"], "the kinds are switch, preempt"),
        (&["rase"], "the lessons are race, lock, deadlock"),
        (&["race", "--schedules", "0"], "from 1 to"),
        (&["race", "--seed", "x"], "--seed"),
        (&["race", "--workers", "3"], "--workers changes nothing in race"),
        (&["race", "--speed", "2"], "--speed changes nothing in `explore`"),
        (&["race", "--lanes"], "--lanes draws nothing"),
        (&["race", "--code", "--seed", "1"], "leave --seed out"),
        (&["race", "--cured", "--trace", "run.html"], "leave --trace out"),
        (&["race", "--schedule", "", "--trace", "run.html"], "this run passes"),
        (&["list", "--seed", "1"], "leave --seed out"),
    ];
    for (words, told) in cases {
        let ran = run(&[&["explore"], *words].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(told) && ran.stderr.lines().count() == 1, "{words:?}: {}", ran.stderr);
    }
    let code = explored(&["race", "--code"]).stdout;
    assert!(code.contains("// Wrong: the other thread may count"), "{code}");
    let failed = run(&["explore", "flag", "--schedules", "1"]);
    assert_eq!(failed.code, Some(1), "{}", failed.stdout);
    assert!(failed.stdout.contains("give more with --schedules"), "{}", failed.stdout);
}

#[test]
fn the_run_that_fails_is_drawn_as_a_timeline() {
    let folder = Folder::new();
    let path = folder.path().join("run.txt").display().to_string();
    explored(&["race", "--trace", &path, "--schedules", "300"]);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.lines().count() > 3, "{text}");
}

#[test]
fn a_run_is_stepped_through_and_its_schedule_is_printed() {
    let Some(mut terminal) = Terminal::in_columns(80, "step race") else { return };
    terminal.wait_for(TAKEN);
    terminal.wait_for("Choice root.");
    // The shortest failure, its end, the help, one step back, and the end again.
    terminal.types(b"f");
    terminal.wait_for("the shortest failure");
    terminal.types(b"e");
    terminal.wait_for("The run fails: panic");
    terminal.types(b"?");
    terminal.wait_for("Any key goes back");
    terminal.types(b" q");
    terminal.wait_for(GIVEN_BACK);
    terminal.wait_for("code=");
    let (_, after) = terminal.shown.split_once(GIVEN_BACK).unwrap();
    assert!(after.contains("The broken version fails (panic) under the schedule w1.preempt"), "{after}");
    assert!(after.contains("brigade step race --schedule 'w1.preempt"), "{after}");
    terminal.ends_with(0);
}

#[test]
fn ctrl_c_and_signals_leave_the_terminal_whole() {
    let Some(mut terminal) = Terminal::in_columns(40, "step deadlock") else { return };
    terminal.wait_for("Choice root.");
    terminal.types(&[3]);
    terminal.ends_with(130);
    let Some(mut terminal) = Terminal::in_columns(30, "step race") else { return };
    terminal.wait_for("Stepping");
    crate::program::signal(terminal.program(), "TERM");
    terminal.ends_with(143);
}

#[test]
fn stepping_needs_a_terminal() {
    for (words, told) in [
        (&["step", "race"][..], "`brigade explore race` prints"),
        (&["step", "rase"], "the lessons are race"),
        (&["step", "race", "--json"], "--json changes nothing"),
        (&["step", "race", "--trace", "run.html"], "--trace records nothing"),
    ] {
        let ran = run(words);
        assert_eq!(ran.code, Some(2), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(told) && ran.stderr.lines().count() == 1, "{words:?}: {}", ran.stderr);
    }
}
