//! Workers that record for their parent: a recording holds what ran in them, also if they were killed.

use brigade_process::{Local, ProcessPool};
use brigade_trace::{
    Cause, Domain, Id, Kind, Lane, Recording, Role, Segment, Session, Site, begin, end, fresh_id, label,
    record,
};

/// A call that records something of its own.
fn cook(dish: u64) -> u32 {
    let task = fresh_id(Domain::Task);
    label(task, || format!("dish {dish}"));
    record(Kind::Spawn, task, Site::here().number());
    begin(task);
    end(task, 1);
    std::process::id()
}

/// The recordings of workers that share memory.
fn workers(recording: &Recording) -> Vec<&Segment> {
    recording.segments.iter().filter(|segment| segment.process.role == Role::Child).collect()
}

/// The calls whose runs ended in a worker.
fn runs(segment: &Segment) -> Vec<Id> {
    let ends =
        |event: &&brigade_trace::Event| event.kind == Kind::RunEnd && event.subject.domain() == Domain::Call;
    segment.trace.events().filter(ends).map(|event| event.subject).collect()
}

pub(crate) fn a_recording_has_what_ran_in_workers() {
    let procs = ProcessPool::new(1).unwrap();
    procs.spawn(cook, 0).join().unwrap();
    let session = Session::start(1 << 12).unwrap();
    let handle = procs.spawn(cook, 1);
    let call = handle.id();
    let pid = handle.join().unwrap();
    let recording = session.finish();
    let workers = workers(&recording);
    assert_eq!(workers.len(), 1);
    let Segment { process, trace } = workers[0];
    assert_eq!(process.pid, pid);
    assert_eq!(trace.epoch, recording.segments[0].trace.epoch, "they share a clock");
    assert_eq!(trace.threads[0].lane, Lane::Child);
    assert_eq!(runs(workers[0]), [call], "only what ran in the session, by the parent's id");
    let spawn = trace.events().find(|event| event.kind == Kind::Spawn).unwrap();
    assert_eq!((spawn.by, trace.labels[&spawn.subject].as_str()), (call, "dish 1"));
    assert!(trace.site(spawn).unwrap().contains("recorded.rs"));
    let time = |segment: &Segment, kind| {
        segment.trace.events().find(|event| event.kind == kind && event.subject == call).unwrap().at
    };
    let parent = &recording.segments[0];
    let (given, began) = (time(parent, Kind::RunBegin), time(workers[0], Kind::RunBegin));
    let (ended, answered) = (time(workers[0], Kind::RunEnd), time(parent, Kind::RunEnd));
    assert!(given <= began && began <= ended && ended <= answered, "{given} {began} {ended} {answered}");

    let session = Session::start(1 << 12).unwrap();
    let second = procs.spawn(cook, 2);
    let id = second.id();
    second.join().unwrap();
    let recording = session.finish();
    assert_eq!(runs(self::workers(&recording)[0]), [id], "the events of the first session are gone");
    procs.shutdown();
}

pub(crate) fn a_killed_worker_loses_nothing_that_it_had_written() {
    let session = Session::start(1 << 12).unwrap();
    let procs = ProcessPool::new(1).unwrap();
    let pid = procs.spawn(cook, 1).join().unwrap();
    let killed = procs.spawn(
        |_: ()| -> u32 {
            cook(2);
            let own = std::process::id().to_string();
            std::process::Command::new("kill").args(["-KILL", &own]).status().unwrap();
            loop {
                std::thread::park();
            }
        },
        (),
    );
    let call = killed.id();
    assert!(killed.join().is_err());
    // Its successor records as well.
    assert_ne!(procs.spawn(cook, 3).join().unwrap(), pid);
    procs.shutdown();
    let recording = session.finish();
    let workers = workers(&recording);
    assert_eq!(workers.len(), 2, "both have ended");
    let dead = workers.iter().find(|segment| segment.process.pid == pid).unwrap();
    let begun = dead.trace.events().filter(|event| event.kind == Kind::RunBegin);
    assert!(begun.into_iter().any(|event| event.subject == call), "the call that killed it");
    let dishes = dead.trace.events().filter(|event| event.kind == Kind::Spawn).count();
    assert_eq!(dishes, 2, "one before it, and one within it");
}

pub(crate) fn a_worker_without_shared_memory_is_said_to_be_missing() {
    let session = Session::start(1 << 12).unwrap();
    let launcher = Local::default().without_shared_memory();
    let procs = ProcessPool::builder().workers(1).launcher(launcher).build().unwrap();
    let pid = procs.spawn(cook, 1).join().unwrap();
    let recording = session.finish();
    let missing: Vec<_> =
        recording.segments.iter().filter(|segment| segment.process.role == Role::Remote).collect();
    assert_eq!(missing.iter().map(|segment| segment.process.pid).collect::<Vec<_>>(), [pid]);
    let back = Recording::decode(&recording.to_bytes());
    assert_eq!(back.segments[1].process, missing[0].process, "a file says it too");
    procs.shutdown();
}

pub(crate) fn a_map_waits_for_a_free_worker() {
    let session = Session::start(1 << 12).unwrap();
    let procs = ProcessPool::new(1).unwrap();
    let (map, line) = (procs.spawn_map(cook, 0..3), line!());
    let id = map.id();
    assert_eq!(map.join().unwrap().len(), 3);
    let trace = session.stop();
    let of = |kind| {
        let all = trace.events().filter(move |event| event.kind == kind && event.subject == id);
        all.collect::<Vec<_>>()
    };
    let site = |event| trace.site(event).unwrap().contains(&format!("recorded.rs:{line}:"));
    assert!(matches!(&of(Kind::Spawn)[..], [spawn] if site(spawn)));
    assert!(matches!(&of(Kind::WaitBegin)[..], [begin] if begin.cause == Cause::Slot && site(begin)));
    assert!(matches!(&of(Kind::WaitEnd)[..], [end] if end.cause == Cause::Slot));
    procs.shutdown();
}
