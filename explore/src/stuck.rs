//! A stuck run: why nothing goes on, and the places that wait.

use crate::outcome::{Class, Failure};
use brigade_handle::explore::{Blocked, ManagedThread, Waiting};
use brigade_trace::{
    Domain,
    live::{self, Stuck, WaitGraph},
};
use std::{collections::BTreeSet, iter};

/// Explains a stuck run: by threads that wait for each other's locks and ends, or else by the table of waits,
/// if that was kept, and by the threads that wait.
pub(crate) fn failure_of(waiting: &[Waiting], threads: &[ManagedThread]) -> Failure {
    let circle = circle(waiting);
    if !circle.is_empty() {
        return deadlock(&circle, threads);
    }
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
    let all: Vec<_> = waiting.iter().collect();
    let users: Vec<_> = all.iter().copied().filter(|waiting| !is_engine(waiting.at.file())).collect();
    let told = if users.is_empty() && found.is_empty() { &all } else { &users };
    told.iter().for_each(|waiting| message.push_str(&format!("{}\n", line(waiting, threads))));
    let sites = found.first().map(|stuck| places(&graph, stuck)).unwrap_or_default();
    let sites = if sites.is_empty() { sites_of(&all) } else { sites.into_iter().collect() };
    let message = without_numbers(message.trim_end(), threads);
    Failure { class, message, sites }
}

/// Returns threads that wait for each other's locks and ends in a circle, or nothing.
fn circle(waiting: &[Waiting]) -> Vec<&Waiting> {
    let of = |thread: u32| waiting.iter().find(|waiting| waiting.thread == thread);
    for first in waiting {
        // A lock that several threads read has several holders, so this looks along all ways.
        let mut ways = vec![vec![first]];
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop() {
            let last = way[way.len() - 1];
            if last.held_by.contains(&first.thread) {
                return way;
            }
            let next = last.held_by.iter().filter_map(|&holder| of(holder));
            let new: Vec<_> = next.filter(|next| seen.insert(next.thread)).collect();
            ways.extend(new.into_iter().map(|next| [&way[..], &[next]].concat()));
        }
    }
    Vec::new()
}

/// The failure of threads that wait for each other in a circle.
fn deadlock(circle: &[&Waiting], threads: &[ManagedThread]) -> Failure {
    let told = match circle {
        [one] => format!("{} waits for itself", one.name),
        _ => "threads wait for each other in a circle".to_owned(),
    };
    let lines = circle.iter().map(|waiting| line(waiting, threads));
    let message = iter::once(told).chain(lines).collect::<Vec<_>>().join("\n");
    Failure { class: Class::Deadlock, message, sites: sites_of(circle) }
}

/// The words for a thread that waits.
fn line(waiting: &Waiting, threads: &[ManagedThread]) -> String {
    let holders =
        waiting.held_by.iter().map(|&holder| format!("{} (thread {holder})", threads[holder as usize].name));
    match waiting.blocked {
        Blocked::Lock(_) if !waiting.held_by.is_empty() => {
            format!("{waiting}, held by {}", holders.collect::<Vec<_>>().join(" and "))
        }
        _ => waiting.to_string(),
    }
}

/// The places at which these threads wait, or their names, if they wait in the executors.
fn sites_of(waiting: &[&Waiting]) -> Vec<String> {
    let users = waiting.iter().filter(|waiting| !is_engine(waiting.at.file()));
    let mut sites: BTreeSet<_> =
        users.map(|waiting| format!("{}:{}", waiting.at.file(), waiting.at.line())).collect();
    if sites.is_empty() {
        sites.extend(waiting.iter().map(|waiting| waiting.name.clone()));
    }
    sites.into_iter().collect()
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
