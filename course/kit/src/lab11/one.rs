//! The tests in which the harness polls everything by hand.

use super::{
    BoxFuture, Event, Executor, Failure, Group, Groups,
    child::{Child, End, Gate},
    expect_dropped, expect_result, finish, new_log,
};
use crate::{
    Case,
    hand::{Hand, cancel as drop_hand, expect_wait, expect_wake},
    log::{Log, demand},
};
use std::sync::{Arc, Mutex, PoisonError};

const WAITS: &str = "run waits while a child is left";
const ENDS: &str = "run is woken when the last child has ended";
const CANCELLED: &str = "a failure cancels all other children, and the body";
const NO_TASK: &str = "no task of the group is left";

type Run = Hand<BoxFuture<Result<(), Failure>>>;
/// The handle to a group, for the harness.
type Handle<S> = Arc<Mutex<Option<<S as Groups>::Group>>>;

/// A group under test, with its gates.
struct Scene<S: Groups> {
    log: Log<Event>,
    executor: Executor,
    group: Handle<S>,
    run: Run,
}

impl<S: Groups> Scene<S> {
    /// Starts a group with children that wait at these gates, and a body that waits at its own.
    fn new(children: Vec<(&'static str, Gate)>, body: &Gate) -> Self {
        Self::of(|log| children.iter().map(|(name, gate)| Child::new(log, name, gate)).collect(), body)
    }

    fn of(children: impl FnOnce(&Log<Event>) -> Vec<Child>, body: &Gate) -> Self {
        let (log, executor, group) = (new_log(), Executor::default(), Handle::<S>::default());
        let children = children(&log);
        let (body, kept) = (Child::new(&log, "body", body), group.clone());
        let run = S::run(executor.clone(), move |group| {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(group.clone());
            let begin = move || children.into_iter().for_each(|child| group.spawn(child.boxed()));
            body.begins(begin).boxed()
        });
        let mut scene = Self { log, executor, group, run: Hand::new("run", run) };
        demand(scene.run.poll().is_pending(), "outlives", WAITS, || {
            "it returns at its first poll".to_owned()
        });
        scene.executor.turn();
        scene
    }

    fn group(&self) -> S::Group {
        let group = self.group.lock().unwrap_or_else(PoisonError::into_inner).clone();
        group.expect("`run` has called the body's function")
    }

    /// Demands that the body and these children were dropped, and that no task is left. `run` may have to be
    /// polled, to drop the body.
    fn expect_end(&mut self, children: &[&'static str], why: &str) -> Result<(), Failure> {
        expect_wake(&self.run, "never-ends", ENDS);
        self.executor.turn();
        children.iter().for_each(|name| expect_dropped(&self.log, name, why));
        let result = finish(&self.log, &mut self.run, "run returns when all have ended");
        expect_dropped(&self.log, "body", why);
        let tasks = self.executor.tasks();
        demand(tasks == 0, "outlives", NO_TASK, || format!("there are {tasks}"));
        result
    }
}

fn is_error(result: &Result<(), Failure>, expected: &str) -> bool {
    matches!(result, Err(Failure::Error(error)) if error == expected)
}

fn is_panic(result: &Result<(), Failure>, expected: &str) -> bool {
    matches!(result, Err(Failure::Panic(payload)) if payload.downcast_ref() == Some(&expected))
}

/// The group waits for its body, for its children, and for their children.
pub(super) fn waits<S: Groups>(_: &mut Case) {
    let (soup, rice, tea) = (Gate::default(), Gate::default(), Gate::default());
    let mut scene =
        Scene::<S>::new(vec![("soup", soup.clone()), ("rice", rice.clone())], &Gate::open(End::Done));
    soup.tell(End::Done);
    scene.executor.turn();
    expect_wait(&mut scene.run, "outlives", WAITS);
    // A child that is spawned late counts like the others.
    scene.group().spawn(Child::new(&scene.log, "tea", &tea).boxed());
    rice.tell(End::Done);
    scene.executor.turn();
    expect_wait(&mut scene.run, "outlives", WAITS);
    tea.tell(End::Done);
    scene.executor.turn();
    let result = scene.expect_end(&["soup", "rice", "tea"], "a child that has ended is dropped");
    expect_result(&result, result.is_ok(), "Ok");
    // The group has ended, so nobody would wait for this one.
    scene.group().spawn(Child::new(&scene.log, "late", &Gate::default()).boxed());
    scene.executor.turn();
    expect_dropped(&scene.log, "late", "a child that comes after the end is dropped");
    let tasks = scene.executor.tasks();
    demand(tasks == 0, "outlives", NO_TASK, || "there is one".to_owned());
}

/// A child fails. Another one would fail after it.
pub(super) fn error<S: Groups>(_: &mut Case) {
    let (soup, rice) = (Gate::default(), Gate::default());
    let children = vec![("soup", soup.clone()), ("rice", rice.clone()), ("tea", Gate::default())];
    let mut scene = Scene::<S>::new(children, &Gate::default());
    soup.tell(End::Error("burnt"));
    rice.tell(End::Error("cold"));
    scene.executor.turn();
    let result = scene.expect_end(&["soup", "rice", "tea"], CANCELLED);
    expect_result(&result, is_error(&result, "burnt"), "the first error");
}

pub(super) fn panic<S: Groups>(_: &mut Case) {
    let soup = Gate::default();
    let children = vec![("tea", Gate::default()), ("soup", soup.clone()), ("rice", Gate::default())];
    let mut scene = Scene::<S>::new(children, &Gate::default());
    soup.tell(End::Panic("the pot falls"));
    scene.executor.turn();
    let result = scene.expect_end(&["soup", "rice", "tea"], CANCELLED);
    expect_result(&result, is_panic(&result, "the pot falls"), "the payload of the panic");
}

/// The body fails, by an error and by a panic.
pub(super) fn body<S: Groups>(_: &mut Case) {
    for end in [End::Error("no gas"), End::Panic("no gas")] {
        let body = Gate::default();
        let mut scene = Scene::<S>::new(vec![("soup", Gate::default())], &body);
        body.tell(end);
        let is_pending = scene.run.poll().is_pending();
        demand(is_pending, "outlives", WAITS, || "it returns when the body fails".to_owned());
        scene.executor.turn();
        let result = scene.expect_end(&["soup"], CANCELLED);
        let is_right = is_error(&result, "no gas") || is_panic(&result, "no gas");
        expect_result(&result, is_right, "the failure of the body");
    }
}

pub(super) fn cancel<S: Groups>(_: &mut Case) {
    let mut scene =
        Scene::<S>::new(vec![("soup", Gate::default()), ("rice", Gate::default())], &Gate::default());
    let group = scene.group();
    group.cancel();
    // The group has failed, so this one does not begin.
    group.spawn(Child::new(&scene.log, "late", &Gate::default()).boxed());
    scene.executor.turn();
    let result =
        scene.expect_end(&["soup", "rice", "late"], "a cancelled group drops its children and its body");
    let polls = scene.log.count(|event| *event == Event::Poll("late"));
    demand(polls == 0, "late-child", "a child that comes after the cancel is never polled", || {
        "it is polled".to_owned()
    });
    expect_result(&result, matches!(result, Err(Failure::Cancelled)), "`Cancelled`");
}

/// The future of the group is dropped before it is ready.
pub(super) fn dropped<S: Groups>(_: &mut Case) {
    // The body waits, or has ended long ago.
    for body in [Gate::default(), Gate::open(End::Done)] {
        let children = vec![("soup", Gate::default()), ("rice", Gate::default())];
        let Scene { log, executor, run, .. } = Scene::<S>::new(children, &body);
        drop_hand(run);
        expect_dropped(&log, "body", "the body is dropped with the group");
        executor.turn();
        for name in ["soup", "rice"] {
            expect_dropped(&log, name, "the children are cancelled with the group");
        }
        let tasks = executor.tasks();
        demand(tasks == 0, "outlives", NO_TASK, || format!("there are {tasks}"));
    }
}

/// The destructor of a cancelled child panics, between two others.
pub(super) fn destructor_panics<S: Groups>(_: &mut Case) {
    let (soup, wait) = (Gate::default(), Gate::default());
    let (failing, waiting) = (soup.clone(), wait.clone());
    let children = move |log: &Log<Event>| {
        let child = |name, gate| Child::new(log, name, gate);
        let rice = child("rice", &waiting).panics_in_drop();
        vec![child("tea", &waiting), rice, child("soup", &failing), child("fish", &waiting)]
    };
    let mut scene = Scene::<S>::of(children, &Gate::default());
    soup.tell(End::Error("burnt"));
    scene.executor.turn();
    let result = scene.expect_end(&["tea", "rice", "soup", "fish"], CANCELLED);
    expect_result(&result, is_error(&result, "burnt"), "the first failure, which was the error");
}

/// The executor shuts down, and drops the tasks without a poll.
pub(super) fn executor_ends<S: Groups>(_: &mut Case) {
    let children = vec![("soup", Gate::default()), ("rice", Gate::default())];
    let mut scene = Scene::<S>::new(children, &Gate::open(End::Done));
    scene.executor.end();
    let result = scene.expect_end(&["soup", "rice"], "the executor drops its tasks");
    // Nothing has failed, and nothing is known of the results of these children either.
    let _ = result;
}
