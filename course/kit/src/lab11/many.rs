//! The tests in which threads run the children.

use super::{
    BoxFuture, Event, Executor, Failure, Group, Groups, Log,
    child::{Child, End, Gate},
    expect_result, new_log,
};
use crate::{
    Case,
    hand::{block_on, join},
    log::demand,
    thread,
};

/// Runs a group on a thread of its own and the calling one, and returns its result.
fn run_on_threads<S: Groups>(
    log: &Log<Event>,
    body: impl FnOnce(S::Group) -> BoxFuture<Result<(), String>>,
) -> Result<(), Failure> {
    let executor = Executor::default();
    let cooks = ["cook", "guest"].map(|name| {
        let executor = executor.clone();
        thread::spawn_named(name, move || executor.work())
    });
    let result = block_on("run", S::run(executor.clone(), body));
    log.note(Event::Return);
    // A child that is still there is dropped now, and so after the return.
    executor.end();
    cooks.into_iter().for_each(join);
    result
}

/// One of two children fails, at any moment.
pub(super) fn every_interleaving<S: Groups>(case: &mut Case) {
    let log = new_log();
    let end = if case.number(0, 1) == 0 { End::Error("burnt") } else { End::Panic("burnt") };
    let result = run_on_threads::<S>(&log, |group| {
        let soup = Child::new(&log, "soup", &Gate::open(end));
        let rice = Child::new(&log, "rice", &Gate::default());
        let begin = move || [rice, soup].into_iter().for_each(|child| group.spawn(child.boxed()));
        Child::new(&log, "body", &Gate::default()).begins(begin).boxed()
    });
    expect_result(&result, matches!(result, Err(Failure::Error(_) | Failure::Panic(_))), "the failure");
}

/// A child spawns another one while its sibling fails.
pub(super) fn spawn_race<S: Groups>(_: &mut Case) {
    let log = new_log();
    let result = run_on_threads::<S>(&log, |group| {
        let tea = Child::new(&log, "tea", &Gate::default()).boxed();
        let soup = Child::new(&log, "soup", &Gate::open(End::Error("burnt")));
        let more = group.clone();
        let rice = Child::new(&log, "rice", &Gate::open(End::Done)).begins(move || more.spawn(tea));
        let begin = move || [rice, soup].into_iter().for_each(|child| group.spawn(child.boxed()));
        Child::new(&log, "body", &Gate::open(End::Done)).begins(begin).boxed()
    });
    expect_result(&result, matches!(result, Err(Failure::Error(_))), "the error");
    let drops = log.count(|event| *event == Event::Drop("tea"));
    // If its parent was cancelled before it began, it was dropped with its parent's code.
    demand(drops == 1, "not-dropped", "each child is dropped", || "tea still exists".to_owned());
}
