//! Recordings made by hand, whose explanations are known.
//!
//! Long: each situation is a recording.

use super::*;
use brigade_trace::{Cause, Event, Id, Kind, Mode, Segment, ThreadTrace, Trace};

const MAIN: Id = Id::new(Domain::Thread, 1);
const NONE: Id = Id::NONE;

/// A recording that is written event by event. Times are microseconds.
pub(super) struct Script {
    threads: Vec<ThreadTrace>,
    labels: Vec<(Id, &'static str)>,
}

impl Script {
    /// A program with a main thread, and so many workers.
    pub(super) fn new(workers: u64) -> Self {
        let thread =
            |name: String, id: Id, lane: Lane| ThreadTrace { name, id, lane, ..ThreadTrace::default() };
        let worker = |n| thread(format!("worker-{n}"), Id::new(Domain::Worker, n), Lane::Runtime);
        let main = thread("main".into(), MAIN, Lane::Thread);
        Self { threads: std::iter::once(main).chain((0..workers).map(worker)).collect(), labels: Vec::new() }
    }

    pub(super) fn put(
        &mut self,
        thread: usize,
        at: u64,
        kind: Kind,
        [subject, by]: [Id; 2],
        cause: Cause,
        detail: u64,
    ) -> &mut Self {
        let at = 1_000 * at;
        self.threads[thread].events.push(Event { at, kind, subject, by, cause, detail });
        self
    }

    pub(super) fn plain(&mut self, thread: usize, at: u64, kind: Kind, subject: Id) -> &mut Self {
        self.put(thread, at, kind, [subject, NONE], Cause::Unknown, 0)
    }

    pub(super) fn spawn(&mut self, thread: usize, at: u64, subject: Id, by: Id) -> &mut Self {
        self.put(thread, at, Kind::Spawn, [subject, by], Cause::Unknown, 1)
    }

    pub(super) fn run(
        &mut self,
        thread: usize,
        from: u64,
        to: u64,
        subject: Id,
        is_complete: bool,
    ) -> &mut Self {
        self.plain(thread, from, Kind::RunBegin, subject);
        self.put(thread, to, Kind::RunEnd, [subject, NONE], Cause::Unknown, u64::from(is_complete))
    }

    pub(super) fn wait(&mut self, thread: usize, at: u64, subject: Id, for_: Id, cause: Cause) -> &mut Self {
        self.put(thread, at, Kind::WaitBegin, [subject, for_], cause, 2)
    }

    pub(super) fn waited(
        &mut self,
        thread: usize,
        at: u64,
        subject: Id,
        for_: Id,
        cause: Cause,
    ) -> &mut Self {
        self.put(thread, at, Kind::WaitEnd, [subject, for_], cause, 0)
    }

    pub(super) fn wake(&mut self, thread: usize, at: u64, subject: Id, cause: Cause) -> &mut Self {
        self.put(thread, at, Kind::Wake, [subject, NONE], cause, 0)
    }

    /// The CPU time of a thread, which may have slept.
    pub(super) fn cpu(&mut self, thread: usize, at: u64, used: u64, cause: Cause) -> &mut Self {
        let subject = self.threads[thread].id;
        self.put(thread, at, Kind::Cpu, [subject, NONE], cause, 1_000 * used)
    }

    pub(super) fn label(&mut self, id: Id, text: &'static str) -> &mut Self {
        self.labels.push((id, text));
        self
    }

    pub(super) fn set_lane(&mut self, thread: usize, lane: Lane) -> &mut Self {
        self.threads[thread].lane = lane;
        self
    }

    /// The ring of a thread was full.
    pub(super) fn lose_events(&mut self, thread: usize) {
        (self.threads[thread].dropped, self.threads[thread].mode) = (7, Mode::KeepFirst);
    }

    pub(super) fn recording(&self) -> Recording {
        let mut threads = self.threads.clone();
        threads.iter_mut().for_each(|thread| thread.events.sort_by_key(|event| event.at));
        let labels = self.labels.iter().map(|&(id, text)| (id, text.to_owned())).collect();
        let sites = [(1, "kitchen.rs:1:1".to_owned()), (2, "kitchen.rs:2:2".to_owned())].into();
        let trace = Trace { threads, labels, sites, ..Trace::default() };
        Recording { segments: vec![Segment { process: Default::default(), trace }], problems: Vec::new() }
    }

    fn why(&self, task: Option<&str>) -> Explanation {
        let explanation = why(&self.recording(), task).expect("it can be explained");
        assert_eq!(explanation.parts.iter().sum::<u64>(), explanation.wall(), "the parts add up");
        explanation
    }
}

pub(super) fn task(number: u64) -> Id {
    Id::new(Domain::Task, number)
}

/// The parts that are not zero, in microseconds.
fn parts(explanation: &Explanation) -> Vec<(Bucket, u64)> {
    let parts = Bucket::ALL.into_iter().map(|bucket| (bucket, explanation.part(bucket) / 1_000));
    parts.filter(|&(_, micros)| micros > 0).collect()
}

#[test]
fn a_join_is_explained_by_what_the_joined_task_did() {
    use Bucket::{Ready, Running, Timer};
    let timer = Id::new(Domain::Timer, 9);
    let mut script = Script::new(1);
    script.plain(0, 0, Kind::Interest, NONE);
    script.spawn(0, 10, task(1), NONE).wait(0, 20, MAIN, task(1), Cause::Join);
    // The task waits for another one, which waits for a timer.
    script.run(1, 30, 60, task(1), false).spawn(1, 40, task(2), task(1));
    script.wait(1, 50, task(1), task(2), Cause::Join);
    script.run(1, 70, 100, task(2), false).wait(1, 90, task(2), timer, Cause::Timer);
    script.wake(1, 900, task(2), Cause::Timer).run(1, 920, 950, task(2), true);
    script.waited(1, 930, task(2), timer, Cause::Timer);
    script.wake(1, 950, task(1), Cause::Join).run(1, 960, 990, task(1), true);
    script.waited(1, 970, task(1), task(2), Cause::Join);
    script.waited(0, 1000, MAIN, task(1), Cause::Join).plain(0, 1010, Kind::Interest, NONE);
    let all = script.why(None);
    // Ready: 20–30, 60–70, 900–920, 950–960 and 990–1000.
    assert_eq!(parts(&all), [(Running, 20 + 30 + 30 + 30 + 30 + 10), (Ready, 60), (Timer, 800)]);
    for columns in [40, 46, 47, 60, 81] {
        let text = all.text(columns);
        let table = text.lines().filter(|line| line.contains(" %"));
        let wide = table.filter(|line| line.chars().count() > columns);
        assert_eq!(wide.collect::<Vec<_>>(), [""; 0], "{columns} columns");
    }
    let inner = script.why(Some("task#2"));
    assert_eq!(parts(&inner), [(Running, 60), (Ready, 50), (Timer, 800)]);
}

#[test]
fn the_wait_that_ended_is_the_one_that_counts() {
    use Bucket::{Io, Running};
    let (source, timeout) = (Id::new(Domain::Source, 7), Id::new(Domain::Timer, 8));
    let mut script = Script::new(1);
    // A read with a time limit: two waits at a time, and the timer's began last.
    script.spawn(0, 0, task(1), NONE).run(1, 0, 10, task(1), false);
    script.wait(1, 5, task(1), source, Cause::Readiness).wait(1, 6, task(1), timeout, Cause::Timer);
    script.wake(1, 500, task(1), Cause::Readiness).run(1, 500, 510, task(1), true);
    script.waited(1, 501, task(1), source, Cause::Readiness).waited(1, 502, task(1), timeout, Cause::Cancel);
    assert_eq!(parts(&script.why(Some("task#1"))), [(Running, 20), (Io, 490)]);
}

#[test]
fn time_without_a_processor_was_taken_or_slept() {
    let mut script = Script::new(1);
    script.spawn(0, 0, task(1), NONE);
    script.cpu(1, 0, 100, Cause::Unknown).run(1, 0, 1000, task(1), false).cpu(1, 1000, 500, Cause::Unknown);
    script.wake(1, 1000, task(1), Cause::Yield);
    script.run(1, 1000, 3000, task(1), true).cpu(1, 3000, 600, Cause::Yield);
    let expected = [(Bucket::Running, 500), (Bucket::Blocked, 1900), (Bucket::Preempted, 600)];
    assert_eq!(parts(&script.why(Some("task#1"))), expected);
}

#[test]
fn waits_that_overlap_are_counted() {
    let mut script = Script::new(1);
    script.plain(0, 0, Kind::Interest, NONE);
    for number in 1..=5 {
        let source = Id::new(Domain::Source, 10 + number);
        script.spawn(0, number, task(number), NONE);
        script.run(1, 10 * number, 10 * number + 2, task(number), false);
        script.wait(1, 10 * number + 1, task(number), source, Cause::Readiness);
        script.wake(1, 100_000 + 10 * number, task(number), Cause::Readiness);
        script.run(1, 100_000 + 10 * number, 100_002 + 10 * number, task(number), true);
        script.waited(1, 100_001 + 10 * number, task(number), source, Cause::Readiness);
    }
    script.wait(0, 6, MAIN, task(5), Cause::Join).waited(0, 100_060, MAIN, task(5), Cause::Join);
    let sentence = script.why(None).sentence();
    assert!(sentence.starts_with("100.1 ms: 100.0 ms waiting for 5 overlapping I/O waits, "), "{sentence}");
    assert!(sentence.ends_with("More workers would not help."), "{sentence}");
}

#[test]
fn a_convoy_waits_for_the_lock_and_names_the_holder() {
    let lock = Id::new(Domain::Lock, 5);
    let mut script = Script::new(3);
    script.label(lock, "oven").label(task(1), "first").plain(0, 0, Kind::Interest, NONE);
    for (thread, number) in [(1, 1), (2, 2), (3, 3)] {
        script.spawn(0, 0, task(number), NONE);
        let turn = 100 * number;
        script.plain(thread, 10, Kind::RunBegin, task(number));
        if number > 1 {
            script.wait(thread, 20, task(number), lock, Cause::Unlock);
            script.put(thread, 20, Kind::Held, [lock, task(1)], Cause::Unknown, 1);
            script.waited(thread, turn, task(number), lock, Cause::Unlock);
        }
        script.put(
            thread,
            turn.max(11) - if number == 1 { 89 } else { 0 },
            Kind::Held,
            [lock, task(number)],
            Cause::Unknown,
            1,
        );
        script.put(thread, turn + 100, Kind::Released, [lock, task(number)], Cause::Unknown, 1);
        script.put(thread, turn + 100, Kind::RunEnd, [task(number), NONE], Cause::Unknown, 1);
    }
    let last = script.why(Some("task#3"));
    // The lock was free at 300, when the second gave it back.
    assert_eq!(parts(&last), [(Bucket::Running, 110), (Bucket::Ready, 10), (Bucket::Lock, 280)]);
    let reason = last.reasons.iter().find(|reason| reason.bucket == Bucket::Lock).expect("it waited");
    assert_eq!((&*reason.resource, &*reason.holder), ("lock oven", "first"));
    assert!(reason.line().ends_with("at kitchen.rs:2:2"), "{}", reason.line());
}

#[test]
fn a_call_waits_for_a_child_and_then_for_its_answer() {
    let (call, child, pool) =
        (Id::new(Domain::Call, 1), Id::new(Domain::Child, 77), Id::new(Domain::Pool, 2));
    let mut script = Script::new(0);
    script.plain(0, 0, Kind::Interest, NONE).spawn(0, 10, call, NONE);
    script.wait(0, 20, call, pool, Cause::Slot).wait(0, 30, MAIN, call, Cause::Join);
    script.waited(0, 100, call, pool, Cause::Slot);
    script.put(0, 120, Kind::Held, [call, child], Cause::Unknown, 1);
    script.put(0, 800, Kind::Released, [call, child], Cause::Reply, 1).plain(0, 810, Kind::Complete, call);
    script.waited(0, 850, MAIN, call, Cause::Join);
    let expected = [(Bucket::Running, 30), (Bucket::Ready, 90 + 40), (Bucket::Child, 690)];
    assert_eq!(parts(&script.why(None)), expected);
}

#[test]
fn a_call_behind_another_stands_in_the_queue_of_its_child() {
    let (call, child) = (|number| Id::new(Domain::Call, number), Id::new(Domain::Child, 77));
    let mut script = Script::new(0);
    for number in [1, 2] {
        script.spawn(0, 0, call(number), NONE);
        script.put(0, 10, Kind::Held, [call(number), child], Cause::Unknown, 1);
        script.put(0, 500 * number, Kind::Released, [call(number), child], Cause::Reply, 1);
        script.plain(0, 500 * number, Kind::Complete, call(number));
    }
    let second = script.why(Some("call#2"));
    assert_eq!(parts(&second), [(Bucket::Ready, 10 + 490), (Bucket::Child, 500)]);
}

#[test]
fn a_scope_is_explained_by_the_child_that_ended_last() {
    let (job, scope) = (|number| Id::new(Domain::Job, number), Id::new(Domain::Scope, 4));
    let mut script = Script::new(3);
    script.spawn(1, 0, job(1), NONE).plain(1, 0, Kind::RunBegin, job(1));
    script.spawn(1, 10, job(2), job(1)).spawn(1, 20, job(3), job(1));
    script.wait(1, 30, job(1), scope, Cause::Scope).run(2, 40, 500, job(2), true).run(
        3,
        60,
        700,
        job(3),
        true,
    );
    script.waited(1, 710, job(1), scope, Cause::Scope);
    script.put(1, 720, Kind::RunEnd, [job(1), NONE], Cause::Unknown, 1);
    // Job 3 was queued from 30 to 60.
    let expected = [(Bucket::Running, 30 + 640 + 10), (Bucket::Ready, 30 + 10)];
    assert_eq!(parts(&script.why(Some("job#1"))), expected);
}

#[test]
fn a_stolen_half_of_a_join_is_found_by_what_it_holds() {
    let (job, half) = (|number| Id::new(Domain::Job, number), Id::new(Domain::Scope, 0x7fff));
    let mut script = Script::new(2);
    script.plain(1, 0, Kind::RunBegin, job(1)).plain(2, 50, Kind::RunBegin, job(2));
    script.put(2, 50, Kind::Held, [half, job(2)], Cause::Unknown, 1);
    script.wait(1, 100, job(1), half, Cause::Join);
    script.put(2, 500, Kind::Released, [half, job(2)], Cause::Unknown, 1);
    script.put(2, 500, Kind::RunEnd, [job(2), NONE], Cause::Unknown, 1);
    script.waited(1, 520, job(1), half, Cause::Join);
    script.put(1, 600, Kind::RunEnd, [job(1), NONE], Cause::Unknown, 1);
    assert_eq!(parts(&script.why(Some("job#1"))), [(Bucket::Running, 100 + 400 + 80), (Bucket::Ready, 20)]);
}

#[test]
fn a_task_that_holds_what_it_waits_for_does_not_poll_the_holder() {
    let lock = Id::new(Domain::Lock, 5);
    let mut script = Script::new(1);
    script.spawn(0, 0, task(1), NONE).run(1, 0, 30, task(1), false);
    script.put(1, 10, Kind::Held, [lock, task(1)], Cause::Unknown, 1);
    script.wait(1, 20, task(1), lock, Cause::Unlock);
    script.plain(0, 530, Kind::Interest, NONE);
    let explanation = script.why(Some("task#1"));
    assert_eq!(parts(&explanation), [(Bucket::Running, 30), (Bucket::NotPolled, 500)]);
    assert_eq!(explanation.notes, ["It had not ended when the recording did."]);
}

#[test]
fn a_future_whose_timer_is_due_waits_for_its_parent() {
    let (future, timer) = (Id::new(Domain::Future, 2), Id::new(Domain::Timer, 3));
    let mut script = Script::new(1);
    script.label(future, "pot").spawn(0, 0, task(1), NONE).plain(1, 0, Kind::RunBegin, task(1));
    script.plain(1, 10, Kind::RunBegin, future).wait(1, 20, future, timer, Cause::Timer);
    script.put(1, 20, Kind::TimerSet, [NONE, future], Cause::Unknown, 100_000);
    script.plain(1, 30, Kind::RunEnd, future).plain(1, 40, Kind::RunEnd, task(1));
    // The timer is due at 100. The task runs from 150 on, and does other things first.
    script.wake(1, 120, task(1), Cause::Timer).plain(1, 150, Kind::RunBegin, task(1));
    script.plain(1, 400, Kind::RunBegin, future).waited(1, 400, future, timer, Cause::Timer);
    script.put(1, 410, Kind::RunEnd, [future, NONE], Cause::Unknown, 1);
    script.put(1, 420, Kind::RunEnd, [task(1), NONE], Cause::Unknown, 1);
    use Bucket::{NotPolled, Ready, Running, Timer};
    let expected = [(Running, 20 + 10), (Ready, 30), (Timer, 70), (NotPolled, 20 + 250)];
    assert_eq!(parts(&script.why(Some("pot"))), expected);
}

#[test]
fn a_driving_thread_waits_only_while_it_is_parked() {
    let timer = Id::new(Domain::Timer, 1);
    let mut script = Script::new(0);
    // One chef: a timer runs while she cuts onions.
    script.wait(0, 0, MAIN, timer, Cause::Timer).plain(0, 300, Kind::Park, MAIN);
    script.plain(0, 900, Kind::Unpark, MAIN).waited(0, 910, MAIN, timer, Cause::Timer);
    assert_eq!(parts(&script.why(None)), [(Bucket::Running, 310), (Bucket::Timer, 600)]);
}

#[test]
fn what_a_full_ring_lost_is_unexplained() {
    let mut script = Script::new(1);
    script.plain(0, 0, Kind::Interest, NONE).spawn(0, 0, task(1), NONE).plain(1, 0, Kind::RunBegin, task(1));
    script.plain(1, 400, Kind::Interest, NONE).plain(0, 1000, Kind::Interest, NONE);
    script.lose_events(1);
    let explanation = script.why(Some("task#1"));
    assert_eq!(parts(&explanation), [(Bucket::Running, 400), (Bucket::Unexplained, 600)]);
    assert!(explanation.notes[0].starts_with("7 events are missing"), "{:?}", explanation.notes);
}

#[test]
fn an_unknown_task_and_an_empty_recording_are_refused_in_a_line() {
    let mut script = Script::new(1);
    script.label(task(1), "soup").spawn(0, 0, task(1), NONE).spawn(0, 9, task(2), NONE);
    let error = why(&script.recording(), Some("salad")).expect_err("there is none");
    assert_eq!(error.to_string(), "the recording has no task salad; it has soup, task#2");
    assert_eq!(why(&Recording::default(), None).expect_err("it is empty"), CannotExplain::Empty);
}

#[test]
fn a_difference_names_the_place_and_the_reason() {
    let run = |length: u64| {
        let timer = Id::new(Domain::Timer, 9);
        let mut script = Script::new(1);
        script.plain(0, 0, Kind::Interest, NONE).spawn(0, 0, task(1), NONE);
        script.run(1, 0, 10, task(1), false).wait(1, 5, task(1), timer, Cause::Timer);
        script.wake(1, length, task(1), Cause::Timer).run(1, length, length + 10, task(1), true);
        script.waited(1, length, task(1), timer, Cause::Timer);
        script.wait(0, 0, MAIN, task(1), Cause::Join).waited(0, length + 10, MAIN, task(1), Cause::Join);
        script.why(None)
    };
    let (fast, slow) = (run(1_000), run(3_000));
    let difference = diff(&fast, &slow);
    assert_eq!((difference.before, difference.after), (1_010_000, 3_010_000));
    let [change] = &difference.changes[..] else { panic!("{:?}", difference.changes) };
    assert_eq!((change.bucket, change.before, change.after), (Bucket::Timer, 990_000, 2_990_000));
    let text = difference.text(120);
    assert!(text.starts_with("1.0 ms → 3.0 ms: +2.0 ms, slower.\n"), "{text}");
    assert!(text.contains("+2.0 ms  task: timer, at kitchen.rs:2:2"), "{text}");
}

/// Any recording is explained, and the parts add up: circles of joins, ends without begins, times out of
/// order.
#[test]
fn the_parts_add_up_whatever_a_file_says() {
    let mut state = 1_u64;
    let mut draw = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for _ in 0..100 {
        let mut script = Script::new(2);
        for _ in 0..200 {
            let domains =
                [Domain::Task, Domain::Job, Domain::Call, Domain::Future, Domain::Lock, Domain::Thread];
            let mut id = || Id::new(domains[draw(6) as usize], draw(4));
            let (subject, by) = (id(), id());
            let kind = Kind::ALL[draw(Kind::ALL.len() as u64) as usize];
            let cause = Cause::ALL[draw(Cause::ALL.len() as u64) as usize];
            let (thread, at, detail) = (draw(3) as usize, draw(500), draw(3));
            script.put(thread, at, kind, [subject, by], cause, detail);
        }
        let recording = script.recording();
        let strands = gather::strands(&recording);
        let names: Vec<String> = strands.all.iter().map(|strand| strand.id.to_string()).collect();
        for name in names.iter().map(|name| Some(&**name)).chain([None]) {
            if let Ok(explanation) = why(&recording, name) {
                assert_eq!(explanation.parts.iter().sum::<u64>(), explanation.wall());
            }
        }
    }
}
