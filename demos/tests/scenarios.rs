//! Each scenario shows what it promises. The tests run it as a user does, but fast, and read its JSON.

// A test fails by panicking, and so do the functions that it calls.
#![allow(clippy::unwrap_used)]

mod common;

use brigade_demos::{scenario::Scenario, scenarios::ALL};
use common::program::{Ran, brigade, texts};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Runs a scenario, fast if it can go faster. Returns its exit code and what it printed.
fn run(arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let waits = |scenario: &&Scenario| scenario.name == arguments[0] && scenario.takes_speed;
    let only_prints = arguments.contains(&"--explain") || arguments.contains(&"--print");
    if !only_prints && (arguments[0] == "all" || ALL.iter().copied().any(|scenario| waits(&scenario))) {
        return run_at("50", arguments);
    }
    let ran = Ran::read(brigade(arguments).arg("--json").output().unwrap());
    (ran.code, ran.objects())
}

/// Runs a scenario at this speed, for a scenario whose own deadline must not come early on a busy machine.
fn run_at(speed: &str, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let ran = Ran::read(brigade(arguments).args(["--json", "--speed", speed]).output().unwrap());
    (ran.code, ran.objects())
}

fn position(lines: &[String], part: &str) -> usize {
    lines
        .iter()
        .position(|line| line.contains(part))
        .unwrap_or_else(|| panic!("{part:?} is not in {lines:?}"))
}

#[test]
fn kitchen_gives_one_chef_a_hand_at_a_time_and_several_chefs_one_each() {
    let (code, objects) = run_at("10", &["kitchen"]);
    let lanes: Vec<_> = objects.iter().filter(|object| object["lane"].is_string()).collect();
    assert_eq!((code, lanes.len()), (Some(0), 9));
    // When the chef's hands were busy, as (begin, end), in the order of time.
    let busy = lanes[..3]
        .iter()
        .flat_map(|lane| lane["spans"].as_array().unwrap())
        .filter(|span| span["busy"] == true);
    let mut busy: Vec<_> =
        busy.map(|span| (span["begin"].as_f64().unwrap(), span["end"].as_f64().unwrap())).collect();
    busy.sort_by(|one, other| one.0.total_cmp(&other.0));
    assert_eq!(busy.len(), 6);
    assert!(busy.windows(2).all(|pair| pair[0].1 <= pair[1].0), "two hands at once: {busy:?}");
    // How many cooks there are in each of the three parts.
    let who = |place: usize| {
        let events: Vec<_> = objects.iter().filter(|object| object["event"].is_string()).collect();
        let names = events[12 * place..12 * (place + 1)].iter().map(|event| event["who"].as_str().unwrap());
        names.collect::<BTreeSet<_>>().len()
    };
    assert_eq!([who(0), who(1), who(2)], [1, 3, 3]);
}

#[test]
fn hello_shows_every_phase_in_order() {
    let (code, objects) = run(&["hello"]);
    assert_eq!((code, texts(&objects, "event")), (Some(0), vec!["Hello".into(), "World".into()]));
    let phases = texts(&objects, "phase");
    let words: Vec<_> = phases.iter().map(|phase| phase.split(':').next().unwrap()).collect();
    assert_eq!(words, ["create", "poll", "suspend", "wake", "poll", "close"]);
}

#[test]
fn chain_wakes_one_task_and_then_a_child_before_its_parent() {
    let (code, objects) = run(&["chain"]);
    let wakes =
        objects.iter().filter(|object| object["phase"].as_str().is_some_and(|text| text.starts_with("wake")));
    let wakes: Vec<_> =
        wakes.map(|object| (object["task"].as_str().unwrap(), object["phase"].as_str().unwrap())).collect();
    let wanted = [
        // A plain await: one task, which the timer wakes.
        ("print_number", "wake: by its timer"),
        // A spawned child.
        ("get_number", "wake: by its timer"),
        ("print_number", "wake: by the end of get_number, which it awaits"),
    ];
    assert_eq!((code, wakes.as_slice()), (Some(0), &wanted[..]));
}

#[test]
fn chain_polls_down_the_awaits_after_the_wake_up() {
    let (_, objects) = run(&["chain"]);
    let phases = objects.iter().filter(|object| object["phase"].is_string());
    let said = phases.map(|object| {
        let name = object["future"].as_str().or(object["task"].as_str()).unwrap();
        format!("{name} {}", object["phase"].as_str().unwrap().split(':').next().unwrap())
    });
    let said: Vec<_> = said.skip_while(|line| line != "print_number wake").take(7).collect();
    let wanted = [
        "print_number wake",
        "print_number poll",
        "get_number poll",
        "sleep(1) poll",
        "sleep(1) ready",
        "get_number ready",
        "print_number close",
    ];
    assert_eq!(said, wanted);
}

#[test]
fn chain_draws_its_trees_from_what_happened() {
    let (_, objects) = run(&["chain"]);
    let tree = objects.iter().filter(|object| object["tree"].is_string());
    let rows: Vec<_> = tree
        .map(|row| ["branch", "tree", "is"].map(|key| row[key].as_str().unwrap().trim().to_owned()).join(" "))
        .collect();
    let wanted = [
        " print_number a task",
        "└─ get_number a future, polled inside the task print_number",
        "└─ sleep(1) a future, polled inside the task print_number",
        " print_number a task",
        "└─ get_number a task of its own",
        "└─ sleep(1) a future, polled inside the task get_number",
    ];
    assert_eq!(rows, wanted);
}

#[test]
fn queue_keeps_the_order_and_the_timeout_ends_the_endless_consumer() {
    let (code, objects) = run_at("3", &["queue"]);
    let events = texts(&objects, "event");
    for kind in ["Produced", "Consumed"] {
        let got: Vec<_> = events.iter().filter(|event| event.starts_with(kind)).collect();
        assert_eq!(got.len(), 5, "{events:?}");
        assert!(
            got.iter().enumerate().all(|(n, event)| event.starts_with(&format!("{kind} {n}"))),
            "{events:?}"
        );
    }
    assert!(position(&events, "Consumed 4") < position(&events, "the time is up"), "{events:?}");
    assert_eq!((code, events.last().unwrap().as_str()), (Some(0), "0 waiting, 0 not done"));
}

#[test]
fn generator_yields_each_number_when_it_is_asked_for() {
    let (code, objects) = run(&["generator"]);
    let events = texts(&objects, "event");
    let main: Vec<_> = objects.iter().filter(|object| object["who"] == "main").collect();
    let heard: Vec<_> = main.iter().map(|object| object["event"].as_str().unwrap()).collect();
    assert_eq!((code, &heard[1..4]), (Some(0), &["3", "2", "1"][..]));
    assert!(position(&events, "has not begun") < position(&events, "yields 3"), "{events:?}");
    assert!(heard.last().unwrap().starts_with("None"), "{events:?}");
}

#[test]
fn run_drops_what_is_left_before_it_returns() {
    let events = texts(&run(&["run"]).1, "event");
    assert!(position(&events, "destructor") < position(&events, "has returned"), "{events:?}");
    assert!(position(&events, "a second run works") > position(&events, "has returned"), "{events:?}");
}

#[test]
fn join_waits_and_a_daemon_is_not_waited_for() {
    let events = texts(&run(&["thread"]).1, "event");
    assert!(position(&events, "done") < position(&events, "has joined"), "{events:?}");
    let events = texts(&run(&["daemon"]).1, "event");
    assert!(events.last().unwrap().starts_with("unfinished"), "{events:?}");
}

#[test]
fn executor_gives_results_in_order() {
    let events = texts(&run(&["executor"]).1, "event");
    let results: Vec<_> = events.iter().filter(|event| event.starts_with("result")).collect();
    assert!(
        results.iter().enumerate().all(|(n, result)| result.starts_with(&format!("result {n}"))),
        "{events:?}"
    );
    assert_eq!(results.len(), 4);
}

#[test]
fn joins_counts_every_node_each_way() {
    let (code, objects) = run(&["joins", "--workers", "1"]);
    let rows: Vec<_> = objects.iter().filter(|object| object["kind"] == "measurement").collect();
    assert_eq!((code, rows.len()), (Some(0), 6));
    // A worker alone has nobody who could steal from it.
    assert!(rows.iter().all(|row| row["nodes"] == (1 << 20) - 1 && row["stolen"] == 0), "{rows:?}");
}

#[test]
fn race_loses_an_update_and_lock_loses_none() {
    let measured = |objects: &[Value], who: &str| {
        let of = |object: &&Value| object["kind"] == "measurement" && object["who"] == who;
        objects.iter().filter(of).cloned().collect::<Vec<_>>()
    };
    let (_, objects) = run(&["race"]);
    let main = measured(&objects, "main");
    assert_eq!((&main[0]["sum"], &main[0]["lost"]), (&json!(1), &json!(1)));
    // The free additions are repeated until some are lost.
    assert!(main[1]["lost"].as_u64() > Some(0) && main[1]["tries"].as_u64() > Some(0), "{main:?}");
    let steps = measured(&objects, "worker 2");
    assert_eq!((&steps[0]["step"], &steps[1]["value"]), (&json!("load"), &json!(1)), "{steps:?}");
    let (code, objects) = run(&["lock"]);
    assert_eq!(code, Some(0));
    let (locked, bare) = (measured(&objects, "lock"), measured(&objects, "no lock"));
    assert_eq!((&locked[0]["lost"], &locked[0]["additions"]), (&json!(0), &json!(2_000_000)));
    assert!(bare[0]["lost"].as_u64() > Some(0) && bare[0]["nanoseconds_per_addition"].is_f64(), "{bare:?}");
    let lesson = texts(&objects, "seen").pop().unwrap();
    assert!(lesson.contains("additions were lost on try "), "{lesson}");
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
fn produced_items_are_consumed_in_order() {
    let (code, objects) = run(&["producer-consumer"]);
    let events = texts(&objects, "event");
    for kind in ["Produced", "Consumed"] {
        let got: Vec<_> = events.iter().filter(|event| event.starts_with(kind)).collect();
        let wanted: Vec<_> = [0, 1, 2, 3, 4].repeat(2).iter().map(|item| format!("{kind} {item}")).collect();
        assert!(got.iter().zip(&wanted).all(|(got, wanted)| got.starts_with(wanted.as_str())), "{got:?}");
        assert_eq!(got.len(), 10, "{got:?}");
    }
    assert_eq!(events.iter().filter(|event| event.starts_with("None")).count(), 2, "{events:?}");
    assert_eq!(code, Some(0));
}

#[test]
fn between_processes_few_items_are_on_their_way() {
    let (_, objects) = run(&["producer-consumer", "processes", "--items", "20"]);
    let (mut on_their_way, mut most, mut pids) = (0, 0, [BTreeSet::new(), BTreeSet::new()]);
    for object in objects.iter().filter(|object| object["who"].is_string()) {
        let (who, event) = (object["who"].as_str().unwrap(), object["event"].as_str().unwrap());
        let (produced, consumed) = (event.starts_with("Produced"), event.starts_with("Consumed"));
        on_their_way += i32::from(produced) - i32::from(consumed);
        most = most.max(on_their_way);
        if produced || consumed {
            pids[usize::from(produced)].insert(who);
        }
        // The process that waits says so itself.
        if event.starts_with("waits with ") {
            assert!(pids[1].contains(who), "{object}");
        }
    }
    // Two items are in the channel, one is with the consumer, and one is with the producer, which waits.
    assert!((2..=4).contains(&most), "{most} at once");
    assert!(pids.iter().all(|pids| pids.len() == 1) && pids[0] != pids[1], "{pids:?}");
    // Neither is the parent, which says whom it has started.
    let parent =
        objects.iter().find(|object| object["event"].as_str().is_some_and(|text| text.starts_with("starts")));
    let parent = parent.unwrap();
    assert!(pids.iter().flatten().all(|pid| parent["event"].as_str().unwrap().contains(pid)), "{parent}");
    assert!(pids.iter().flatten().all(|pid| parent["who"] != **pid), "{parent}");
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
fn decide_measures_the_documents_table() {
    let (code, objects) = run(&["decide"]);
    assert_eq!(
        (code, texts(&objects, "row")),
        (Some(0), ["I/O-bound", "CPU-bound", "Real-time UI"].map(String::from).to_vec())
    );
}

/// Lets `decide` judge a command.
fn decide(arguments: &[&str]) -> Ran {
    Ran::read(brigade(&["decide"]).args(arguments).output().unwrap())
}

#[test]
fn decide_judges_a_command_by_its_waits() {
    let ran = decide(&["--json", "--", "sleep", "0.2"]);
    let judged = &ran.objects()[0];
    assert_eq!((ran.code, &judged["fits"]), (Some(0), &Value::from("async")), "{judged}");
    assert!(judged["waits"].as_u64() > Some(0) && judged["blocks_read"].is_u64(), "{judged}");
}

#[test]
fn decide_shows_what_the_command_says_and_ends_as_it_does() {
    let ran = decide(&["--", "sh", "-c", "echo hello; exit 7"]);
    assert_eq!(ran.code, Some(7), "{}", ran.stdout);
    assert!(ran.stdout.starts_with("hello\n") && ran.stdout.contains("The command failed"), "{}", ran.stdout);
    let ran = decide(&["--json", "--", "sh", "-c", "echo hello; kill -9 $$"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(137), "hello\n"));
    assert_eq!(ran.objects()[0]["code"], 137);
}

#[test]
fn decide_says_why_a_command_cannot_run() {
    for (command, code, why) in [("/no/such/thing", 127, "no such command"), ("/", 126, "not a program")] {
        let ran = decide(&["--", command]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{}", ran.stderr);
        assert!(ran.stderr.contains(command) && ran.stderr.contains(why), "{}", ran.stderr);
    }
}

#[test]
fn cards_are_listed_with_their_proofs_and_the_quiz_wants_a_terminal() {
    let (code, objects) = run(&["cards", "--print"]);
    assert_eq!(code, Some(0));
    assert!(texts(&objects, "question").len() >= 25, "{objects:?}");
    assert!(common::program::run(&["cards", "internals", "--json"]).objects().len() >= 43);
    assert_eq!(texts(&objects, "proof").len(), objects.len());
    let printed = common::program::run(&["cards", "--print"]).stdout;
    assert!(printed.contains(&format!("{}. ", objects.len())), "{printed}");
    assert!(printed.lines().all(|line| line.chars().count() <= 80), "{printed}");
    let asked = common::program::run(&["cards"]);
    assert_eq!(asked.code, Some(2));
    assert!(asked.stderr.contains("--print"), "{}", asked.stderr);
}

#[test]
fn io_does_not_call_processes_the_fastest_way_to_wait() {
    let (_, objects) = run(&["io", "--explain"]);
    let idea = texts(&objects, "idea").pop().unwrap();
    assert!(idea.contains("Waiting needs no cores") && idea.contains("not the fastest"), "{idea}");
}

#[test]
fn every_scenario_is_listed_explained_and_run_by_all() {
    let names = texts(&run(&["list"]).1, "scenario");
    assert!(names.len() >= 15, "{names:?}");
    for name in &names {
        let (code, objects) = run(&[name, "--explain"]);
        assert_eq!(code, Some(0), "{name}");
        assert!(!objects[0]["made_by"].as_array().unwrap().is_empty(), "{name}");
    }
    let (code, objects) = run(&["all"]);
    let shown = texts(&objects, "scenario");
    assert_eq!(code, Some(0));
    assert!(
        names
            .iter()
            .filter(|name| !["cards", "serve"].contains(&name.as_str()))
            .all(|name| shown.contains(name)),
        "{shown:?}"
    );
}

#[test]
fn the_front_page_has_every_scenario_with_a_line() {
    let page = include_str!("../../README.md");
    for Scenario { name, .. } in ALL {
        assert!(page.contains(&format!("| `brigade {name}` |")), "{name} has no row in README.md");
    }
}

/// The transcripts of a section of a page: the command line, and the lines that it printed.
fn transcripts(section: &str) -> Vec<(&str, Vec<&str>)> {
    let fences = section.split("```text\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0);
    fences
        .map(|fence| {
            let mut lines = fence.lines();
            (lines.next().unwrap().strip_prefix("$ ").unwrap(), lines.collect())
        })
        .collect()
}

#[test]
fn the_page_of_transcripts_shows_every_scenario() {
    let page = include_str!("../../docs/scenarios.md");
    let mut sections = page.split("\n## ").skip(1);
    let mut check = |title: &str, command_lines: &[String]| {
        let section = sections.next().unwrap_or_else(|| panic!("{title} has no section: {REMEDY}"));
        assert_eq!(section.lines().next(), Some(title), "{REMEDY}");
        let shown = transcripts(section);
        let commands: Vec<_> = shown.iter().map(|(command, _)| *command).collect();
        assert_eq!(commands, command_lines, "{title}: {REMEDY}");
        for (command, lines) in shown {
            assert!(lines.iter().any(|line| !line.is_empty()), "{command} printed nothing");
            assert!(lines.len() <= 60, "{command} has {} lines: some are to be left out", lines.len());
            let wide = lines.iter().find(|line| line.chars().count() > 80);
            assert_eq!(wide, None, "{command}");
        }
    };
    check("The tour", &["brigade".to_owned()]);
    for Scenario { name, examples, .. } in ALL {
        let command_lines: Vec<_> = examples.iter().map(|example| format!("brigade {example}")).collect();
        assert!(!command_lines.is_empty(), "{name} has no example");
        check(name, &command_lines);
    }
    assert_eq!(sections.next(), None, "one section too many: {REMEDY}");
}

const REMEDY: &str = "run `cargo run --release -p brigade-demos --bin transcripts`";
