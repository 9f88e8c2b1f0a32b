//! How fast does the page open and pan with a million events, and with five?
//!
//! `cargo bench -p brigade-benches --bench page` makes a recording of that many events, opens its page from
//! disk in a Chromium without a window, and pans at several zooms. The goals: a page of a million events
//! opens in less than 1.5 s, and a frame takes less than 16 ms.

// A measurement fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

// A measurement presses no keys.
#[allow(dead_code)]
#[path = "../../timeline/tests/browser/devtools.rs"]
mod devtools;

use brigade_timeline::{Timeline, html};
use brigade_trace::{Cause, Domain, Event, Id, Kind, Recording, ThreadTrace, Trace, clock};
use devtools::Browser;
use std::{env, fs, path::Path, process};

const OPEN_GOAL_MS: f64 = 1500.0;
const FRAME_GOAL_MS: f64 = 16.0;
const WORKERS: u64 = 8;
/// The tasks that are alive at one time, on each worker.
const ALIVE: u64 = 12;
/// The polls of a task.
const POLLS: u64 = 40;

/// Workers that poll tasks in turn: each poll is a begin, an end, a wait and a wake.
fn recording(events: u64) -> Recording {
    let threads = (0..WORKERS).map(|worker| thread(worker, events / WORKERS)).collect();
    let mut trace = Trace { threads, ..Trace::default() };
    trace.sites.extend([(1, "soup.rs:1:1".into()), (2, "bread.rs:2:2".into()), (3, "wait.rs:3:3".into())]);
    Recording::from(trace)
}

fn thread(worker: u64, most: u64) -> ThreadTrace {
    let mut events = Vec::new();
    let (mut at, mut batch, mut dice) = (worker * 100, 0, worker + 1);
    let mut roll = |sides: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % sides
    };
    while (events.len() as u64) < most {
        let task = |number: u64| Id::new(Domain::Task, worker << 32 | (batch * ALIVE + number));
        let mut put = |at, kind, subject, by, cause, detail| {
            events.push(Event { at, kind, subject, by, cause, detail });
        };
        for number in 0..ALIVE {
            put(at, Kind::Spawn, task(number), Id::NONE, Cause::Unknown, 1 + number % 2);
        }
        for poll in 0..POLLS {
            for number in 0..ALIVE {
                at += 200 + roll(3000);
                put(at, Kind::RunBegin, task(number), Id::NONE, Cause::Unknown, 0);
                at += 500 + roll(20_000);
                let (cause, resource) = [
                    (Cause::Timer, Id::new(Domain::Timer, 1)),
                    (Cause::Item, Id::new(Domain::Channel, 2)),
                    (Cause::Unlock, Id::new(Domain::Lock, 3)),
                ][roll(3) as usize];
                let is_last = poll + 1 == POLLS;
                if !is_last {
                    put(at, Kind::WaitBegin, task(number), resource, cause, 3);
                }
                put(at + 100, Kind::RunEnd, task(number), Id::NONE, Cause::Unknown, is_last.into());
                if !is_last {
                    put(at + 150, Kind::Wake, task(number), task((number + 1) % ALIVE), cause, 0);
                }
                at += 160;
            }
        }
        batch += 1;
    }
    ThreadTrace { name: format!("worker {worker}"), events, ..ThreadTrace::default() }
}

/// Pans in steps of a tenth of the view. Returns the milliseconds of the script in each frame, and those from
/// one frame to the next.
const PAN: &str = "new Promise(done => { \
    const app = brigade, times = [], gaps = []; let left = 60, last = performance.now(); \
    const frame = now => { const start = performance.now(); \
        app.view.pan((app.view.t1 - app.view.t0) * (left % 20 < 10 ? 0.1 : -0.1)); app.paint(); \
        times.push(performance.now() - start); gaps.push(now - last); last = now; \
        if (--left) requestAnimationFrame(frame); else done(JSON.stringify([times.slice(5), gaps.slice(5)])); }; \
    requestAnimationFrame(frame); })";

fn measure(events: u64, program: &Path) -> bool {
    let recording = recording(events);
    let count = recording.segments[0].trace.events().count();
    let (timeline, took) = clock::timed(|| Timeline::of(&recording));
    let (page, took_page) = clock::timed(|| html(&timeline, "a measurement"));
    println!(
        "{count} events: {} spans, timeline in {} ms, page of {:.1} MB in {} ms",
        timeline.spans.len(),
        took.as_millis(),
        page.len() as f64 / 1e6,
        took_page.as_millis()
    );
    timeline.notes.iter().for_each(|note| println!("  {note}"));
    let path = env::temp_dir().join(format!("brigade-bench-{}.html", process::id()));
    fs::write(&path, page).unwrap();
    let mut browser = Browser::open(program, &path, (1280, 800));
    // A page that does not show each event says so.
    let told = browser.text("document.getElementById('notes').textContent");
    assert!(timeline.notes.iter().all(|note| told.contains(note)), "{told}");
    let merged = browser.number("brigade.model.spans.merged.size");
    assert_eq!(merged > 0.0, told.contains("more than a page shows"), "{merged} merged spans, {told}");
    let opened = browser.number("brigade.openTime");
    let since_navigation = browser.number("brigade.readyAt");
    println!(
        "  opened: {since_navigation:.0} ms from the navigation on, of which the script took {opened:.0} ms"
    );
    let mut worst: f64 = 0.0;
    for shown in [1.0, 0.1, 0.01, 0.0001] {
        browser.value(&format!(
            "brigade.view.show(brigade.model.length * 0.3, brigade.model.length * (0.3 + {shown}))"
        ));
        // Another zoom makes pyramids of rows that were not seen yet; a first frame is not a pan.
        browser.value("(brigade.paint(), 0)");
        let times = browser.text(PAN);
        let [mut frames, mut gaps]: [Vec<f64>; 2] = serde_json::from_str(&times).unwrap();
        frames.sort_by(f64::total_cmp);
        gaps.sort_by(f64::total_cmp);
        let (median, slow) = (frames[frames.len() / 2], frames[frames.len() * 95 / 100]);
        println!(
            "  {:>6} % shown: a frame takes {median:.1} ms, 95 of 100 at most {slow:.1} ms; from frame to frame {:.1} ms",
            shown * 100.0,
            gaps[gaps.len() / 2]
        );
        worst = worst.max(slow);
    }
    assert_eq!(browser.errors, [""; 0]);
    drop(browser);
    fs::remove_file(&path).unwrap();
    since_navigation < OPEN_GOAL_MS && worst < FRAME_GOAL_MS
}

fn main() {
    // `cargo test --benches` passes an argument, and measures nothing.
    if env::args().any(|argument| argument == "--test") {
        return;
    }
    let Some(program) = devtools::find() else {
        println!("page: skipped: there is no chromium in PATH");
        return;
    };
    let million = measure(1_000_000, &program);
    measure(5_000_000, &program);
    println!(
        "goal: a million events open in {OPEN_GOAL_MS} ms, a frame takes {FRAME_GOAL_MS} ms: {}",
        if million { "met" } else { "missed" }
    );
    if !million {
        process::exit(1);
    }
}
