//! Recordings that go to a file, in a program without views. The tests take turns, since a process has one
//! session at a time.
#![cfg(not(loom))]
// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_trace::{
    Builder, Cause, Domain, Kind, Mode, Recording, Resource, Session, Site, begin, end, fresh_id, live::Root,
    record, record_to, wait_begin, wait_end,
};
use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

fn turn() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that is removed when this is dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("{}-{name}", std::process::id())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn depths(recording: &Recording) -> Vec<u64> {
    let events = recording.segments.iter().flat_map(|segment| segment.trace.events());
    events.filter(|event| event.kind == Kind::QueueDepth).map(|event| event.detail).collect()
}

#[test]
fn a_view_that_the_program_does_not_have_is_left_to_the_events() {
    let _turn = turn();
    let (page, events) = (Temporary::new("soup.html"), Temporary::new("soup.brigade"));
    let recording = record_to(&page.0).unwrap();
    record(Kind::QueueDepth, fresh_id(Domain::Worker), 3);
    assert_eq!(recording.finish().unwrap(), events.0);
    assert!(!page.0.exists());
    assert_eq!(depths(&Recording::read_from(fs::File::open(&events.0).unwrap()).unwrap()), [3]);
}

#[test]
fn a_recording_that_cannot_begin_leaves_no_file() {
    let _turn = turn();
    let file = Temporary::new("busy.brigade");
    let alone = Session::start(1).unwrap();
    assert_eq!(record_to(&file.0).unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
    assert!(!file.0.exists());
    fs::write(&file.0, "an earlier one").unwrap();
    assert!(record_to(&file.0).is_err());
    drop(alone);
    record_to(&file.0).unwrap().discard();
    assert_eq!(fs::read_to_string(&file.0).unwrap(), "an earlier one");
}

#[test]
fn sessions_within_a_recording_are_parts_of_it() {
    let _turn = turn();
    let file = Temporary::new("parts.brigade");
    let whole = Session::builder().capacity(8).mode(Mode::KeepLast).record_to(&file.0).unwrap();
    let worker = fresh_id(Domain::Worker);
    let depth = |depth| record(Kind::QueueDepth, worker, depth);
    depth(1);
    let part = Session::start(1).unwrap();
    depth(2);
    let other = Session::start(1).unwrap();
    depth(3);
    let of = |session: Session| Recording::from(session.stop());
    assert_eq!((depths(&of(other)), depths(&of(part))), (vec![3], vec![2, 3]));
    depth(4);
    let part = Session::start(1).unwrap();
    (5..100).for_each(depth);
    let trace = part.stop();
    assert!(trace.dropped() > 0, "the ring was full");
    let full = Session::start(1).unwrap();
    assert_eq!(full.stop().dropped(), 0, "nothing of this part is missing");
    depth(100);
    whole.finish().unwrap();
    let alone = Session::start(1).unwrap();
    assert!(Session::start(1).is_err(), "the recording is over");
    drop(alone);
    let written = Recording::read_from(fs::File::open(&file.0).unwrap()).unwrap();
    assert_eq!(depths(&written).last(), Some(&100));
}

#[test]
fn a_session_of_a_program_does_not_share_itself() {
    let _turn = turn();
    let file = Temporary::new("busy.brigade");
    let alone = Session::start(8).unwrap();
    assert!(record_to(&file.0).unwrap_err().to_string().contains("another trace session"));
    drop(alone);
    drop(record_to(&file.0).unwrap());
}

#[test]
fn dumps_are_numbered_and_bounded() {
    let _turn = turn();
    let file = Temporary::new("dumps.brigade");
    let recording = Session::builder().mode(Mode::KeepLast).dumps_max(2).record_to(&file.0).unwrap();
    let worker = fresh_id(Domain::Worker);
    for number in 1..=2 {
        record(Kind::QueueDepth, worker, number);
        let dump = Temporary(recording.dump().unwrap());
        assert!(dump.0.to_string_lossy().ends_with(&format!("dumps-{number}.brigade")));
        let written = Recording::read_from(fs::File::open(&dump.0).unwrap()).unwrap();
        assert_eq!(depths(&written), (1..=number).collect::<Vec<_>>(), "the recording goes on");
    }
    assert!(recording.dump().unwrap_err().to_string().contains("2 dumps"));
}

#[test]
fn a_session_that_keeps_the_first_events_bounds_those_of_ended_threads() {
    let _turn = turn();
    let session = Session::builder().capacity(4).mode(Mode::KeepFirst).start().unwrap();
    let worker = fresh_id(Domain::Worker);
    for number in 0..100 {
        thread::spawn(move || record(Kind::QueueDepth, worker, number)).join().unwrap();
    }
    let trace = session.stop();
    let recording = Recording::from(trace);
    assert_eq!(depths(&recording), (0..64).collect::<Vec<_>>());
    let threads = &recording.segments[0].trace.threads;
    let lost = threads.iter().find(|thread| thread.name == "36 ended threads").unwrap();
    assert_eq!(lost.dropped, 36 * 3, "the depth, and CPU time at the begin and at the end");
    assert!(recording.segments[0].trace.to_string().contains("later events are missing"));
}

/// Waits until the first dump is there, and reads it.
fn first_dump(file: &Temporary) -> Recording {
    let dump =
        Temporary(file.0.with_file_name(format!("{}-1.brigade", file.0.file_stem().unwrap().display())));
    let deadline = Instant::now() + Duration::from_secs(60);
    while !dump.0.exists() {
        assert!(Instant::now() < deadline, "{} does not come", dump.0.display());
        thread::yield_now();
    }
    Recording::read_from(fs::File::open(&dump.0).unwrap()).unwrap()
}

fn has(recording: &Recording, kind: Kind) -> bool {
    recording.segments[0].trace.events().any(|event| event.kind == kind)
}

fn flight() -> Builder {
    Session::builder().mode(Mode::KeepLast).dumps_max(1)
}

#[test]
fn a_run_that_is_too_long_is_dumped_at_its_end_or_before() {
    let _turn = turn();
    for ends in [true, false] {
        let file = Temporary::new("run.brigade");
        let recording = flight().dump_on_run_over(Duration::ZERO).record_to(&file.0).unwrap();
        let task = fresh_id(Domain::Task);
        begin(task);
        if ends {
            end(task, 1);
        }
        assert!(has(&first_dump(&file), Kind::RunBegin));
        drop(recording);
        end(task, 1);
    }
}

#[test]
fn a_poll_of_a_block_on_that_is_too_long_is_dumped_at_its_end_or_before() {
    let _turn = turn();
    for ends in [true, false] {
        let file = Temporary::new("root.brigade");
        let recording = flight().dump_on_run_over(Duration::ZERO).record_to(&file.0).unwrap();
        let mut root = Root::new();
        let polled = root.poll(Waker::noop(), |_| {
            record(Kind::QueueDepth, fresh_id(Domain::Queue), 1);
            if !ends {
                assert!(has(&first_dump(&file), Kind::QueueDepth));
            }
            Poll::Ready(())
        });
        assert!(polled.is_ready());
        if ends {
            assert!(has(&first_dump(&file), Kind::QueueDepth));
        }
        drop(recording);
    }
}

#[test]
fn a_wait_that_is_too_long_is_dumped_at_its_end_or_before() {
    let _turn = turn();
    for ends in [true, false] {
        let file = Temporary::new("wait.brigade");
        let recording = flight().dump_on_wait_over(Duration::ZERO).record_to(&file.0).unwrap();
        let lock = Resource::new(Domain::Lock);
        let waiter = wait_begin(|| lock.id(), Cause::Unlock, Site::here());
        if ends {
            wait_end(waiter, || lock.id(), Cause::Unlock);
        }
        assert!(has(&first_dump(&file), Kind::WaitBegin));
        drop(recording);
    }
}

#[test]
fn runs_and_waits_within_their_limits_are_not_dumped() {
    let _turn = turn();
    let file = Temporary::new("short.brigade");
    let hour = Duration::from_secs(3600);
    let limits = flight().dump_on_run_over(hour).dump_on_wait_over(hour);
    let recording = limits.record_to(&file.0).unwrap();
    let (outer, inner) = (fresh_id(Domain::Job), fresh_id(Domain::Task));
    begin(outer);
    begin(inner);
    let lock = Resource::new(Domain::Lock);
    wait_end(wait_begin(|| lock.id(), Cause::Unlock, Site::here()), || lock.id(), Cause::Unlock);
    end(inner, 1);
    end(outer, 1);
    assert!(recording.dump().is_ok(), "this one is the first");
    fs::remove_file(file.0.with_file_name(format!("{}-1.brigade", file.0.file_stem().unwrap().display())))
        .unwrap();
}

#[test]
fn a_panic_is_dumped_before_it_goes_on() {
    let _turn = turn();
    let file = Temporary::new("panic.brigade");
    let recording = flight().dump_on_panic().record_to(&file.0).unwrap();
    assert!(thread::spawn(|| panic!("the soup is burnt")).join().is_err());
    let dump = file.0.with_file_name(format!("{}-1.brigade", file.0.file_stem().unwrap().display()));
    assert!(dump.exists(), "it is there at once");
    first_dump(&file);
    drop(recording);
    let again = record_to(&file.0).unwrap();
    assert!(thread::spawn(|| panic!("the soup is burnt again")).join().is_err());
    assert!(!dump.exists(), "nobody asked for it");
    drop(again);
}

#[test]
fn a_name_outlives_its_resource_in_a_recording() {
    let _turn = turn();
    let file = Temporary::new("named.brigade");
    let recording = record_to(&file.0).unwrap();
    let lock = Resource::new(Domain::Lock);
    lock.set_name("salt");
    let id = lock.id();
    drop(lock);
    recording.finish().unwrap();
    let written = Recording::read_from(fs::File::open(&file.0).unwrap()).unwrap();
    assert_eq!(written.segments[0].trace.labels.get(&id).map(String::as_str), Some("salt"));
}

#[test]
fn a_pipe_is_refused_at_once() {
    let _turn = turn();
    let pipe = Temporary::new("pipe.txt");
    assert!(Command::new("mkfifo").arg(&pipe.0).status().unwrap().success());
    let error = record_to(&pipe.0).unwrap_err();
    assert!(error.to_string().contains("no regular file"), "{error}");
}

#[test]
fn a_full_disk_leaves_the_earlier_file_and_nothing_else() {
    const FOLDER: &str = "FULL_FOLDER";
    let _turn = turn();
    if let Some(folder) = std::env::var_os(FOLDER) {
        let recording = record_to(PathBuf::from(&folder).join("soup.txt")).unwrap();
        assert!(recording.dump().is_err(), "no file may grow");
        assert!(recording.finish().is_err(), "no file may grow");
        let recording = record_to(PathBuf::from(folder).join("new.txt")).unwrap();
        assert!(recording.finish().is_err(), "no file may grow");
        return;
    }
    let folder = Temporary::new("full");
    fs::create_dir(&folder.0).unwrap();
    let soup = folder.0.join("soup.txt");
    fs::write(&soup, "the earlier soup").unwrap();
    let mut shell = Command::new("sh");
    // A write beyond the limit then fails as on a full disk, and sends no signal.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" --exact \"$1\""]);
    shell.arg(std::env::current_exe().unwrap());
    shell.arg("a_full_disk_leaves_the_earlier_file_and_nothing_else").env(FOLDER, &folder.0);
    let output = shell.output().unwrap();
    let (earlier, count) = (fs::read_to_string(&soup).unwrap(), fs::read_dir(&folder.0).unwrap().count());
    fs::remove_dir_all(&folder.0).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((earlier.as_str(), count), ("the earlier soup", 1));
}
