//! A stuck run: why nothing goes on, and the places that wait.

use crate::outcome::{Class, Failure};
use brigade_handle::explore::{ManagedThread, Waiting};
use brigade_trace::{
    Domain,
    live::{self, Stuck, WaitGraph},
};
use std::collections::BTreeSet;

/// Explains a stuck run by the table of waits, if that was kept, and by the threads that wait.
pub(crate) fn failure_of(waiting: &[Waiting], threads: &[ManagedThread]) -> Failure {
    let mut graph = live::graph();
    // No thread of the run can go on, and the others of this process are not part of it.
    graph.others_act = false;
    name_threads(&mut graph, threads);
    let mut found = graph.classify();
    found.sort_by_key(|stuck| stuck.class);
    let is_leak = waiting.iter().all(|waiting| waiting.thread != 0);
    let class = match found.first() {
        _ if is_leak => Class::Leak,
        Some(stuck) => class_of(stuck.class),
        None => Class::Stuck,
    };
    let mut message: String = found.iter().map(|stuck| graph.report(stuck)).collect();
    if let Some(stuck) = found.first().filter(|_| !is_leak) {
        // The class goes before the message.
        message = message.trim_start_matches(&format!("{}: ", stuck.class.name())).to_owned();
    }
    let users: Vec<_> = waiting.iter().filter(|waiting| !is_engine(waiting.at.file())).collect();
    let told = if users.is_empty() && found.is_empty() { waiting.iter().collect() } else { users.clone() };
    told.iter().for_each(|waiting| message.push_str(&format!("{waiting}\n")));
    let mut sites = found.first().map(|stuck| places(&graph, stuck)).unwrap_or_default();
    if sites.is_empty() {
        sites.extend(users.iter().map(|waiting| format!("{}:{}", waiting.at.file(), waiting.at.line())));
    }
    if sites.is_empty() {
        sites.extend(waiting.iter().map(|waiting| waiting.name.clone()));
    }
    let message = without_numbers(message.trim_end(), threads);
    Failure { class, message, sites: sites.into_iter().collect() }
}

fn class_of(class: live::Class) -> Class {
    match class {
        live::Class::Cycle => Class::Deadlock,
        live::Class::Futurelock => Class::Futurelock,
        live::Class::JoinsItself => Class::JoinsItself,
        live::Class::NoWaker | live::Class::NobodyLeft => Class::LostWakeUp,
    }
}

/// The places at which the agents wait that are the reason, in the order of the alphabet.
fn places(graph: &WaitGraph, stuck: &Stuck) -> BTreeSet<String> {
    let waits = graph.edges.iter().filter(|edge| stuck.core.contains(&edge.waiter));
    waits.filter_map(|edge| edge.at.clone()).filter(|place| !is_engine(place)).collect()
}

/// Whether a source file belongs to the executors.
pub(crate) fn is_engine(file: &str) -> bool {
    file.contains("explore/engine/") || file.contains("-explored-")
}

fn name_threads(graph: &mut WaitGraph, threads: &[ManagedThread]) {
    for node in &mut graph.nodes {
        let is_node = |thread: &&ManagedThread| thread.tid == node.id.number();
        if node.id.domain() == Domain::Thread && node.name.is_none() {
            node.name = threads.iter().find(is_node).map(|thread| thread.name.clone());
        }
    }
}

/// Names threads by their names alone: the numbers that the system gave them differ each time.
fn without_numbers(text: &str, threads: &[ManagedThread]) -> String {
    threads.iter().fold(text.to_owned(), |text, thread| {
        text.replace(&format!("thread#{} {:?}", thread.tid, thread.name), &thread.name)
    })
}
