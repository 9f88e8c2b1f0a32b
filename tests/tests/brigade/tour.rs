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
        let ran = run(&["cpu", mode, "--n", "10000000", "--tasks", "1", "--json"]);
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
fn the_results_are_shown_as_the_document_prints_them() {
    let fetched = run(&["io", "--delay", "0.02"]).stdout;
    assert!(fetched.contains("\n  all modes  [200, 200, 200, 200, 200]\n"), "{fetched}");
    let summed = run(&["cpu", "--n", "10"]).stdout;
    assert!(summed.contains("\n  all modes  [285, 285, 285, 285, 285]\n"), "{summed}");
    let one_mode = run(&["cpu", "threads", "--n", "10", "--tasks", "7"]).stdout;
    assert!(one_mode.contains("\n  threads    285 (7 times)\n"), "{one_mode}");
}

#[test]
fn one_n_is_chosen_for_all_modes_and_told() {
    let ran = run(&["cpu"]);
    assert!(
        ran.stdout.contains("This n keeps one core of this machine busy for about 1.3 s"),
        "{}",
        ran.stdout
    );
    let objects = run(&["cpu", "--json"]).objects();
    let n = objects[0]["n"].as_u64().unwrap();
    let sum = sum_of_squares(n.into());
    for object in &objects {
        assert_eq!((&object["n"], &object["results"][4]), (&n.into(), &sum.clone().into()), "{object}");
        assert!(object["quiet"].is_boolean(), "{object}");
    }
}

#[test]
fn work_that_is_too_short_has_no_bars() {
    let page = run(&["cpu", "--n", "10"]).stdout;
    assert!(page.contains("too short  No mode took 0.1 s"), "{page}");
    assert!(!page.contains('█') && !page.contains('▏'), "{page}");
}

#[test]
fn there_are_no_more_workers_than_pieces_of_work() {
    let page = run(&["io", "threads", "--delay", "0.02", "--workers", "1000"]).stdout;
    assert!(page.contains("5 threads wait at the same time"), "{page}");
    let words: Vec<_> = page.split_whitespace().collect();
    assert!(words.join(" ").contains("There are no more threads than requests: 5, and not 1,000."), "{page}");
    let page = run(&["cpu", "--n", "1000", "--tasks", "3", "--workers", "1000"]).stdout;
    let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(" 3 threads ") && words.contains(" 3 children "), "{page}");
    assert!(words.contains("There are no more processes than sums: 3, and not 1,000."), "{page}");
    let page = run(&["io", "threads", "--delay", "0.02", "--requests", "3", "--workers", "2"]).stdout;
    assert!(page.contains("2 threads wait at the same time, each blocked in one request"), "{page}");
}

#[test]
fn a_thousand_threads_fetch_a_page_each() {
    let ran = run(&["io", "threads", "--requests", "1000", "--workers", "1000", "--delay", "0.2", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let objects = ran.objects();
    assert!(objects[0]["results"].as_array().unwrap().iter().all(|status| status == 200), "{}", ran.stdout);
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
