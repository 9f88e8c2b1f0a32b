//! Recordings of real runs: their files are small, and every view tells what happened.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_pool::Pool;
use brigade_runtime::{Runtime, sleep, spawn, yield_now};
use brigade_timeline::{State, Timeline, html, text};
use brigade_trace::{Cause, Domain, Event, Id, Kind, Recording, Segment, Session, ThreadTrace, Trace};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A process has one session at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Tasks that sleep, wake one another, and ask a pool.
fn busy_run() -> Recording {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let session = Session::start(1 << 16).unwrap();
    let pool = Pool::builder().threads(2).build().unwrap();
    let runtime = Runtime::builder().workers(2).build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..100)
            .map(|number| {
                let job = pool.spawn(move || number * 2);
                spawn(async move {
                    for _ in 0..20 {
                        yield_now().await;
                    }
                    sleep(Duration::from_millis(number % 3)).await;
                    job.await.unwrap()
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    runtime.shutdown();
    pool.shutdown();
    Recording::from(session.stop())
}

#[test]
fn an_event_of_a_real_run_takes_ten_bytes_at_most() {
    let recording = busy_run();
    let mut file = Vec::new();
    recording.segments[0].write_to(&mut file).unwrap();
    let events = recording.segments[0].trace.events().count();
    assert!(events > 5000, "{events} events");
    assert!(file.len() <= 10 * events, "{} bytes for {events} events", file.len());
    let back = Recording::read_from(&file[..]).unwrap();
    assert!(back.segments[0].trace.events().eq(recording.segments[0].trace.events()));
}

#[test]
fn a_real_run_has_rows_of_spans_that_do_not_overlap() {
    let timeline = Timeline::of(&busy_run());
    let tasks = timeline.units.iter().filter(|unit| unit.id.to_string().starts_with("task#")).count();
    let jobs = timeline.units.iter().filter(|unit| unit.id.to_string().starts_with("job#")).count();
    assert!(tasks >= 100 && jobs >= 100, "{tasks} tasks and {jobs} jobs");
    for pair in timeline.spans.windows(2).filter(|pair| pair[0].row == pair[1].row) {
        assert!(pair[0].end <= pair[1].begin, "{pair:?} in {}", timeline.rows[pair[0].row as usize].name);
    }
    for state in [State::Ready, State::Running, State::Waiting] {
        assert!(timeline.spans.iter().any(|span| span.state == state), "{state:?}");
    }
    assert!(!timeline.wakes.is_empty());
}

#[test]
fn the_views_show_every_group_of_a_real_run() {
    let timeline = Timeline::of(&busy_run());
    for columns in [40, 80, 200] {
        let text = text(&timeline, columns);
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= columns, "{widest} of {columns} columns:\n{text}");
        assert!(
            text.contains("threads (") && text.contains("tasks from ") && text.contains("longest waits"),
            "{text}"
        );
    }
    assert!(html(&timeline, "a <run>").contains("<title>a &lt;run&gt;</title>"));
}

fn event(at: u64, kind: Kind, subject: Id, by: Id) -> Event {
    Event { at, kind, subject, by, cause: Cause::Unknown, detail: 1 }
}

fn thread(name: &str, events: Vec<Event>) -> ThreadTrace {
    ThreadTrace { name: name.into(), events, ..ThreadTrace::default() }
}

fn recording(threads: Vec<ThreadTrace>) -> Recording {
    let trace = Trace { threads, ..Trace::default() };
    Recording { segments: vec![Segment { trace, ..Segment::default() }], ..Recording::default() }
}

/// This many would take minutes if each event looked at all those before it.
const MANY: u64 = 100_000;

#[test]
fn many_processes_do_not_take_the_square_of_their_number() {
    let threads = (1..=MANY as u32).map(|process| ThreadTrace { process, ..thread("t", Vec::new()) });
    let timeline = Timeline::of(&recording(threads.collect()));
    assert_eq!((timeline.rows.len() as u64, timeline.groups.len() as u64), (MANY, MANY));
}

#[test]
fn many_holders_waits_and_runs_do_not_take_the_square_of_their_number() {
    let task = |number| Id::new(Domain::Task, number);
    let lock = |number| Id::new(Domain::Lock, number);
    let future = |number| Id::new(Domain::Future, number);
    let mut events = vec![event(0, Kind::RunBegin, task(1), Id::NONE)];
    events.extend((2..MANY).map(|number| event(number, Kind::Held, lock(1), task(number))));
    events.extend((2..MANY).map(|number| event(number, Kind::WaitBegin, task(1), lock(number))));
    events.extend((2..MANY).map(|number| event(number, Kind::WaitEnd, task(1), lock(1))));
    events.extend((2..MANY).map(|number| event(number, Kind::RunBegin, future(number), task(1))));
    events.extend((2..MANY).map(|number| event(number, Kind::Interest, lock(1), task(1))));
    let timeline = Timeline::of(&recording(vec![thread("main", events)]));
    assert_eq!(timeline.events, 5 * (MANY - 2) + 1);
}

#[test]
fn no_control_character_of_a_file_reaches_the_terminal() {
    let task = Id::new(Domain::Task, 1);
    let run = |begin| {
        [event(begin, Kind::RunBegin, task, Id::NONE), event(begin + 9, Kind::RunEnd, task, Id::NONE)]
    };
    let evil = "so\u{1b}[2J\u{9b}\nup\r\u{202e}";
    let mut recording = recording(vec![ThreadTrace { dropped: 1, ..thread(evil, run(1).to_vec()) }]);
    recording.segments[0].trace.labels.insert(task, evil.into());
    for columns in [40, 80, 200] {
        let text = text(&Timeline::of(&recording), columns);
        let is_plain = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
        assert!(text.chars().all(is_plain), "{text:?}");
        assert!(text.contains("so\u{fffd}[2J\u{fffd}\u{fffd}up"), "{text}");
    }
}
