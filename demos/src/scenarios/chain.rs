//! `brigade chain`: one coroutine awaits another, in one task and then in two.

use crate::{
    scenario::{CommandError, Exit, Scenario, failed, no_arguments},
    show::{Output, Style, show_await_tree, show_phases},
};
use brigade_runtime::{run, sleep, spawn_local};
use brigade_trace::{Domain, Id, Kind, Session, begin, current, end, label, record};
use clap::ArgMatches;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "chain",
    about: "print_number awaits get_number: the tree, and who woke whom",
    idea: "A waker belongs to a task. A timer wakes the task that waits for it, and the poll of that task goes down the \
           chain of awaits to the place where it stopped. A spawned child is a task of its own: the timer wakes the child, \
           and the end of the child wakes the task that awaits it.",
    made_by: &[
        "demos/src/scenarios/chain.rs::poll",
        "runtime/src/time/sleep.rs::poll",
        "runtime/src/executor/spawn.rs::spawn_local",
        "handle/src/signal.rs::complete",
    ],
    examples: &["chain"],
    takes_speed: true,
    takes_workers: false,
    arguments: no_arguments,
    show,
};

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    output.labelled(Style::Strong, "", "one task: print_number awaits get_number()");
    watch(output, print_number(output.clone()))?;
    output.line("");
    output.labelled(Style::Strong, "", "two tasks: print_number awaits spawn_local(get_number())");
    watch(output, print_number_of_child(output.clone()))?;
    output.lesson(
        "In one task the timer woke print_number, although get_number had called sleep. The poll of print_number went down \
         the chain of awaits, and the results came back up. With a spawned child the timer woke get_number, and the end of \
         get_number woke print_number. Python does the same: `await f()` stays in the task, and `create_task(f())` makes \
         another one.",
    );
    Ok(Exit::SUCCESS)
}

/// Runs a task, and shows what the trace has recorded.
fn watch(output: &Output, task: impl Future<Output = ()> + 'static) -> Result<(), CommandError> {
    let recording = Session::start(4096).map_err(failed("cannot trace"))?;
    // --code from here
    run(async move {
        let _ = spawn_local(task).await;
    });
    // --code to here
    let trace = recording.stop();
    show_await_tree(output, &trace);
    show_phases(output, &trace);
    Ok(())
}

// --code from here
/// The document's coroutine.
async fn get_number(output: Output) -> u32 {
    Watched::new("sleep(1)", sleep(output.delay(1.0))).await;
    42
}

/// The document's coroutine: it awaits the other one inside its own task.
async fn print_number(output: Output) {
    label(current(), || "print_number".into());
    let inner = get_number(output.clone());
    let number = Watched::new("get_number", inner).await;
    output.event("print_number", number);
}

/// The same, but the other coroutine is a task of its own.
async fn print_number_of_child(output: Output) {
    label(current(), || "print_number".into());
    let ours = output.clone();
    let child = spawn_local(async {
        label(current(), || "get_number".into());
        get_number(ours).await
    });
    if let Ok(number) = child.await {
        output.event("print_number", number);
    }
}
// --code to here

/// A future whose polls stand in the trace, under a name.
pub(super) struct Watched<F> {
    id: Id,
    future: Pin<Box<F>>,
    is_ready: bool,
}

impl<F> Watched<F> {
    pub(super) fn new(name: &str, future: F) -> Self {
        let id = brigade_trace::fresh_id(Domain::Future);
        label(id, || name.into());
        Self { id, future: Box::pin(future), is_ready: false }
    }
}

impl<F> Drop for Watched<F> {
    fn drop(&mut self) {
        if !self.is_ready {
            record(Kind::Cancel, self.id, 0);
            record(Kind::Complete, self.id, 1);
        }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        begin(self.id);
        let polled = self.future.as_mut().poll(cx);
        self.is_ready = polled.is_ready();
        end(self.id, self.is_ready.into());
        polled
    }
}
