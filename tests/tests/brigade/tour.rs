//! The main job when everything goes well.

use crate::{
    common::program::{Ran, brigade, run},
    program::Serving,
};
use serde_json::Value;

/// The sum of i² for i < n, by the closed form that the program must not use.
fn sum_of_squares(n: u128) -> String {
    ((n - 1) * n * (2 * n - 1) / 6).to_string()
}

fn modes<'a>(objects: &'a [Value], scenario: &str) -> Vec<&'a str> {
    let of_scenario = objects.iter().filter(|object| object["scenario"] == scenario);
    of_scenario.map(|object| object["mode"].as_str().unwrap()).collect()
}

#[test]
fn the_tour_runs_both_experiments_in_every_mode() {
    let ran = run(&["--quick", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let objects = ran.objects();
    assert_eq!(modes(&objects, "io"), ["sync", "threads", "async", "processes"]);
    assert_eq!(modes(&objects, "cpu"), ["sync", "threads", "processes"]);
    for object in &objects {
        for number in ["seconds", "speedup", "cpu_seconds"] {
            assert!(object[number].as_f64().is_some_and(|value| value >= 0.0), "{number} in {object}");
        }
        let results = object["results"].as_array().unwrap();
        assert_eq!(results.len(), 5, "{object}");
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{object}");
        if object["scenario"] == "io" {
            assert_eq!(results[0], 200);
        }
    }
}

#[test]
fn the_tour_for_people_has_a_table_and_no_colour_in_a_pipe() {
    let ran = run(&["--quick"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!ran.stdout.contains('\x1b') && !ran.stderr.contains('\x1b'), "{}{}", ran.stdout, ran.stderr);
    for word in ["sync", "threads", "async", "processes"] {
        assert!(ran.stdout.contains(word), "{word} is missing in\n{}", ran.stdout);
    }
    let widest = ran.stdout.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 80, "a line has {widest} columns:\n{}", ran.stdout);
}

#[test]
fn every_mode_adds_the_documents_sum() {
    // The sum up to the document's n is known, and does not fit into 64 bits.
    for mode in ["sync", "threads", "processes"] {
        let ran = run(&["cpu", mode, "--tasks", "1", "--json"]);
        let objects = ran.objects();
        assert_eq!(objects.len(), 1);
        assert_eq!(objects[0]["results"], serde_json::json!(["333333283333335000000"]), "{mode}");
    }
}

#[test]
fn the_sum_is_right_for_every_small_n() {
    for n in [1_u128, 2, 3, 10, 1_000] {
        let ran = run(&["cpu", "all", "--n", &n.to_string(), "--tasks", "3", "--workers", "2", "--json"]);
        for object in ran.objects() {
            let sum = sum_of_squares(n);
            assert_eq!(object["results"], serde_json::json!([sum, sum, sum]), "n = {n}: {object}");
        }
    }
}

#[test]
fn a_thousand_requests_wait_at_once_on_one_thread() {
    let ran = run(&["io", "async", "--requests", "1000", "--delay", "0.2", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let objects = ran.objects();
    assert_eq!(objects[0]["results"].as_array().unwrap().len(), 1_000);
    assert!(objects[0]["results"].as_array().unwrap().iter().all(|status| status == 200));
}

#[test]
fn the_server_answers_a_plain_client() {
    let serving = Serving::start();
    let get = |path: &str| {
        let url = format!("{}{path}", serving.address);
        let ran = run(&["io", "sync", "--requests", "1", "--url", &url, "--json"]);
        (ran.code, ran.objects()[0]["results"][0].clone())
    };
    assert_eq!(get("/delay/0"), (Some(0), 200.into()));
    assert_eq!(get("/bytes/100000"), (Some(0), 200.into()));
    assert_eq!(get("/status/204"), (Some(0), 204.into()), "each 2xx is a success");
    assert_eq!(get("/nowhere").0, Some(1));
}

#[test]
fn colour_is_asked_for_by_nobody_in_a_pipe_and_refused_by_no_color() {
    let output =
        brigade(&["cpu", "sync", "--n", "10", "--tasks", "1"]).env("NO_COLOR", "1").output().unwrap();
    assert!(!Ran::read(output).stdout.contains('\x1b'));
}
