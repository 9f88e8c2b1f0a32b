//! Each scenario shows what it promises: run as a user runs it, fast, and read as JSON.

use serde_json::Value;
use std::process::Command;

/// Runs a scenario; its exit code and what it said.
fn run(arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brigade"));
    let output =
        command.args(arguments).args(["--json", "--speed", "50"]).output().expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("it prints UTF-8");
    (
        output.status.code(),
        text.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect(),
    )
}

/// What was said in this key, in order.
fn said(objects: &[Value], key: &str) -> Vec<String> {
    objects.iter().filter_map(|object| object[key].as_str().map(str::to_owned)).collect()
}

fn position(lines: &[String], part: &str) -> usize {
    lines
        .iter()
        .position(|line| line.contains(part))
        .unwrap_or_else(|| panic!("{part:?} is not in {lines:?}"))
}

#[test]
fn hello_shows_every_phase_in_order() {
    let (code, objects) = run(&["hello"]);
    assert_eq!((code, said(&objects, "event")), (Some(0), vec!["Hello".into(), "World".into()]));
    let phases = said(&objects, "phase");
    let words: Vec<_> = phases.iter().map(|phase| phase.split(':').next().unwrap()).collect();
    assert_eq!(words, ["create", "poll", "suspend", "wake", "poll", "close"]);
}

#[test]
fn chain_wakes_from_the_inside() {
    let (_, objects) = run(&["chain"]);
    let wakes =
        objects.iter().filter(|object| object["phase"].as_str().is_some_and(|text| text.starts_with("wake")));
    let tasks: Vec<_> = wakes.map(|object| object["task"].as_str().unwrap()).collect();
    assert_eq!(tasks, ["get_number", "print_number"]);
}

#[test]
fn run_drops_what_is_left_before_it_returns() {
    let events = said(&run(&["run"]).1, "event");
    assert!(position(&events, "destructor") < position(&events, "has returned"), "{events:?}");
    assert!(position(&events, "a second run works") > position(&events, "has returned"), "{events:?}");
}

#[test]
fn join_waits_and_a_daemon_is_not_waited_for() {
    let events = said(&run(&["thread"]).1, "event");
    assert!(position(&events, "done") < position(&events, "has joined"), "{events:?}");
    let events = said(&run(&["daemon"]).1, "event");
    assert!(events.last().unwrap().starts_with("unfinished"), "{events:?}");
}

#[test]
fn executor_gives_results_in_order() {
    let events = said(&run(&["executor"]).1, "event");
    let results: Vec<_> = events.iter().filter(|event| event.starts_with("result")).collect();
    assert!(
        results.iter().enumerate().all(|(n, result)| result.starts_with(&format!("result {n}"))),
        "{events:?}"
    );
    assert_eq!(results.len(), 4);
}

#[test]
fn race_loses_an_update_and_lock_loses_none() {
    assert!(said(&run(&["race"]).1, "event").contains(&"1 + 1 = 1".to_owned()));
    let (code, objects) = run(&["lock"]);
    let locked = objects.iter().find(|object| object["who"] == "lock").unwrap();
    assert_eq!(code, Some(0));
    assert!(locked["event"].as_str().unwrap().trim_start().starts_with("0 lost"), "{locked}");
}

#[test]
fn deadlock_is_found_and_order_cures_it() {
    let (code, objects) = run(&["deadlock"]);
    let ring: Vec<_> = objects.iter().filter(|object| object["waiter"].is_string()).collect();
    assert_eq!((code, ring.len()), (Some(3), 2));
    assert_eq!(ring[0]["waiter"], ring[1]["holder"]);
    assert_eq!(run(&["deadlock", "--ordered"]).0, Some(0));
}

#[test]
fn what_is_produced_is_consumed_in_order() {
    let (code, objects) = run(&["producer-consumer"]);
    let events = said(&objects, "event");
    for kind in ["Produced", "Consumed"] {
        let got: Vec<_> = events.iter().filter(|event| event.starts_with(kind)).collect();
        let wanted: Vec<_> = [0, 1, 2, 3, 4].repeat(2).iter().map(|item| format!("{kind} {item}")).collect();
        assert_eq!(got, wanted.iter().collect::<Vec<_>>());
    }
    assert_eq!(code, Some(0));
}

#[test]
fn the_gil_is_handed_over_only_while_threads_compute() {
    let (_, objects) = run(&["gil"]);
    let handovers = |row: &str| {
        objects.iter().find(|object| object["row"] == row).unwrap()["handovers"].as_u64().unwrap()
    };
    assert!(handovers("compute, 2 threads, GIL") > 0);
    assert_eq!(handovers("wait, 4 threads, GIL") + handovers("compute, one thread"), 0);
}

#[test]
fn decide_judges_a_command_by_its_waiting() {
    let (code, objects) = run(&["decide"]);
    assert_eq!(
        (code, said(&objects, "row")),
        (Some(0), ["I/O-bound", "CPU-bound", "Real-time UI"].map(String::from).to_vec())
    );
    let output =
        Command::new(env!("CARGO_BIN_EXE_brigade")).args(["decide", "--json", "--", "sleep", "0.2"]).output();
    assert!(String::from_utf8(output.unwrap().stdout).unwrap().contains("\"fits\":\"async\""));
}

#[test]
fn every_scenario_is_listed_explained_and_run_by_all() {
    let names = said(&run(&["list"]).1, "scenario");
    assert!(names.len() >= 15, "{names:?}");
    for name in &names {
        let (code, objects) = run(&[name, "--explain"]);
        assert_eq!(code, Some(0), "{name}");
        assert!(!objects[0]["made_by"].as_array().unwrap().is_empty(), "{name}");
    }
    let (code, objects) = run(&["all"]);
    let shown = said(&objects, "scenario");
    assert_eq!(code, Some(0));
    assert!(names.iter().filter(|name| *name != "serve").all(|name| shown.contains(name)), "{shown:?}");
}
