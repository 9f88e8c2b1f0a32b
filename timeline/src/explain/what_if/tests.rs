//! Graphs whose replays are known.

use super::*;
use crate::explain::tests::{Script, task};
use brigade_trace::{Cause, Domain, Id, Kind, Lane};

/// The middle of a range, which must contain this time.
fn contains(range: &Result<(u64, u64), String>, micros: u64) {
    let (least, most) = range.clone().expect("the model holds");
    assert!((least..=most).contains(&(1_000 * micros)), "{least}..{most} lacks {micros} µs");
    assert!(most < 1_150 * micros + 3_000_000, "{least}..{most} is too wide for {micros} µs");
}

/// Main spawns tasks, each of which computes for this long on so many workers, and joins them.
fn batch(tasks: u64, length: u64, workers: u64) -> Script {
    let mut script = Script::new(workers);
    let main = Id::new(Domain::Thread, 1);
    script.plain(0, 0, Kind::Interest, Id::NONE);
    for number in 1..=tasks {
        script.spawn(0, 0, task(number), Id::NONE);
        let (thread, turn) = ((number - 1) % workers, (number - 1) / workers);
        script.run(thread as usize + 1, turn * length, (turn + 1) * length, task(number), true);
    }
    let turns = tasks.div_ceil(workers);
    let end = |number: u64| (number - 1) / workers * length + length;
    let mut at = 0;
    for number in 1..=tasks {
        if end(number) > at {
            script.wait(0, at, main, task(number), Cause::Join);
            at = end(number);
            script.waited(0, at, main, task(number), Cause::Join);
        }
    }
    script.plain(0, turns * length, Kind::Interest, Id::NONE);
    script
}

#[test]
fn workers_are_replayed_as_a_list_scheduler_places_the_work() {
    let edits = [1, 2, 3, 4, 8].map(Edit::Workers);
    let answer = what_if(&batch(4, 100_000, 2).recording(), &edits, 8).expect("the model holds");
    assert_eq!((answer.work, answer.span, answer.recorded), (400_000_000, 100_000_000, 200_000_000));
    for (prediction, micros) in answer.predictions.iter().zip([400_000, 200_000, 200_000, 100_000, 100_000]) {
        contains(&prediction.range, micros);
    }
    assert!(answer.summary().contains("parallelism 4.0"), "{}", answer.summary());
}

#[test]
fn more_workers_than_processors_compute_no_faster() {
    let edits = [2, 4].map(Edit::Workers);
    let answer = what_if(&batch(4, 100_000, 2).recording(), &edits, 2).expect("the model holds");
    answer.predictions.iter().for_each(|prediction| contains(&prediction.range, 200_000));
}

#[test]
fn a_lock_that_is_not_there_lets_its_waiters_run_at_once() {
    let (main, lock) = (Id::new(Domain::Thread, 1), Id::new(Domain::Lock, 5));
    let mut script = Script::new(2);
    script.label(lock, "oven").plain(0, 0, Kind::Interest, Id::NONE);
    for (thread, number, from) in [(1, 1, 0), (2, 2, 1_000)] {
        script.spawn(0, 0, task(number), Id::NONE).plain(thread, 0, Kind::RunBegin, task(number));
        if from > 0 {
            script.wait(thread, 0, task(number), lock, Cause::Unlock);
            script.waited(thread, from, task(number), lock, Cause::Unlock);
        }
        script.put(thread, from, Kind::Held, [lock, task(number)], Cause::Unknown, 1);
        script.put(thread, from + 999, Kind::Released, [lock, task(number)], Cause::Unknown, 1);
        script.put(thread, from + 1_000, Kind::RunEnd, [task(number), Id::NONE], Cause::Unknown, 1);
    }
    script.wait(0, 0, main, task(2), Cause::Join).waited(0, 2_000, main, task(2), Cause::Join);
    let edits = [Edit::WithoutLock("oven".into()), Edit::WithoutLock("stove".into()), Edit::Workers(1)];
    let answer = what_if(&script.recording(), &edits, 2).expect("the model holds");
    contains(&answer.predictions[0].range, 1_000);
    assert_eq!(answer.predictions[1].range, Err("no lock is called stove; there is oven".into()));
    contains(&answer.predictions[2].range, 2_000);
}

#[test]
fn a_faster_wait_shortens_the_path_it_is_on() {
    let (main, timer) = (Id::new(Domain::Thread, 1), Id::new(Domain::Timer, 5));
    let mut script = Script::new(1);
    script.plain(0, 0, Kind::Interest, Id::NONE).spawn(0, 0, task(1), Id::NONE);
    script.run(1, 0, 100, task(1), false).wait(1, 100, task(1), timer, Cause::Timer);
    script.wake(1, 1_100, task(1), Cause::Timer).run(1, 1_100, 1_200, task(1), true);
    script.waited(1, 1_100, task(1), timer, Cause::Timer);
    script.wait(0, 0, main, task(1), Cause::Join).waited(0, 1_200, main, task(1), Cause::Join);
    let edits = ["kitchen.rs:2×2", "kitchen.rs:2:2x4", "itchen.rs:2×2"]
        .map(|text| Edit::faster(text).expect("it is right"));
    let answer = what_if(&script.recording(), &edits, 2).expect("the model holds");
    contains(&answer.predictions[0].range, 700);
    contains(&answer.predictions[1].range, 450);
    assert!(answer.predictions[2].range.clone().is_err_and(|why| why.starts_with("nothing waits at")));
}

#[test]
fn a_stolen_half_that_nobody_waited_for_belongs_to_the_job_that_went_on() {
    let (main, job) = (Id::new(Domain::Thread, 1), |number| Id::new(Domain::Job, number));
    let mut script = Script::new(2);
    script.set_lane(1, Lane::Pool).set_lane(2, Lane::Pool).plain(0, 0, Kind::Interest, Id::NONE);
    script.spawn(0, 0, job(1), Id::NONE).run(1, 0, 100_000, job(1), true);
    script.run(2, 10, 90_010, job(2), true);
    script.wait(0, 0, main, job(1), Cause::Join).waited(0, 100_000, main, job(1), Cause::Join);
    let answer = what_if(&script.recording(), &[Edit::Workers(1)], 2).expect("the model holds");
    contains(&answer.predictions[0].range, 190_000);
}

#[test]
fn a_job_that_reads_keeps_its_worker() {
    let (main, job) = (Id::new(Domain::Thread, 1), |number| Id::new(Domain::Job, number));
    let mut script = Script::new(2);
    script.set_lane(1, Lane::Pool).set_lane(2, Lane::Pool).plain(0, 0, Kind::Interest, Id::NONE);
    for (thread, number) in [(1, 1), (2, 2)] {
        let source = Id::new(Domain::Source, number);
        script.spawn(0, 0, job(number), Id::NONE).run(thread, 0, 100_000, job(number), true);
        script.wait(thread, 1, job(number), source, Cause::Readiness);
        script.waited(thread, 99_999, job(number), source, Cause::Readiness);
    }
    script.wait(0, 0, main, job(1), Cause::Join).waited(0, 100_000, main, job(1), Cause::Join);
    script.wait(0, 100_000, main, job(2), Cause::Join).waited(0, 100_001, main, job(2), Cause::Join);
    let answer = what_if(&script.recording(), &[Edit::Workers(1)], 2).expect("the model holds");
    contains(&answer.predictions[0].range, 200_000);
}

#[test]
fn where_the_model_does_not_hold_it_says_so() {
    let mut script = batch(2, 1_000, 2);
    script.lose_events(1);
    let why = what_if(&script.recording(), &[], 2).expect_err("events are missing");
    assert!(why.contains("events are missing"), "{why}");
    // Waits for a queue whose sender is not known.
    let (main, queue) = (Id::new(Domain::Thread, 1), Id::new(Domain::Queue, 5));
    let mut script = Script::new(1);
    script.plain(0, 0, Kind::Interest, Id::NONE).wait(0, 0, main, queue, Cause::Item);
    script.waited(0, 900, main, queue, Cause::Item).plain(0, 1_000, Kind::Interest, Id::NONE);
    let why = what_if(&script.recording(), &[], 2).expect_err("the sender is not known");
    assert!(why.starts_with("waits for channels and queues are 90 %"), "{why}");
    // Work that is split when it is stolen.
    let (job, half) = (|number| Id::new(Domain::Job, number), Id::new(Domain::Scope, 99));
    let mut script = Script::new(2);
    script.set_lane(1, Lane::Pool).set_lane(2, Lane::Pool);
    script.plain(0, 0, Kind::Interest, Id::NONE).spawn(0, 0, job(1), Id::NONE);
    script.plain(1, 0, Kind::RunBegin, job(1)).plain(2, 0, Kind::RunBegin, job(2));
    script.put(2, 0, Kind::Held, [half, job(2)], Cause::Unknown, 1);
    script.wait(1, 500, job(1), half, Cause::Join);
    script.put(2, 1_000, Kind::Released, [half, job(2)], Cause::Unknown, 1);
    script.put(2, 1_000, Kind::RunEnd, [job(2), Id::NONE], Cause::Unknown, 1);
    script.waited(1, 1_000, job(1), half, Cause::Join);
    script.put(1, 1_000, Kind::RunEnd, [job(1), Id::NONE], Cause::Unknown, 1);
    script.wait(0, 0, main, job(1), Cause::Join).waited(0, 1_000, main, job(1), Cause::Join);
    let edits = [Edit::Workers(1), Edit::Workers(4)];
    let answer = what_if(&script.recording(), &edits, 2).expect("the model holds");
    contains(&answer.predictions[0].range, 1_500);
    assert!(answer.predictions[1].range.clone().is_err_and(|why| why.contains("would split it further")));
}
