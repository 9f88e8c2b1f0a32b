//! What workers print, when somebody wants to read it.

use crate::{path::launcher, sys};
use brigade_process::{ProcessPool, Start, Stream};
use std::{
    process,
    sync::{Arc, Mutex},
};

type Lines = Arc<Mutex<Vec<(usize, Stream, String)>>>;

fn capturing(start: Start) -> (ProcessPool, Lines) {
    let lines = Lines::default();
    let theirs = lines.clone();
    let builder = ProcessPool::builder().workers(2).launcher(launcher()).start_method(start);
    let procs = builder.captured(move |line| {
        let text = String::from_utf8(line.text.to_vec()).unwrap();
        theirs.lock().unwrap().push((line.worker, line.stream, text));
    });
    (procs.build().unwrap(), lines)
}

pub(crate) fn what_workers_print_is_captured_by_lines() {
    for start in [Start::Exec, Start::Zygote] {
        let (procs, lines) = capturing(start);
        let chatty = |n: u32| {
            print!("one {n}\ntwo ");
            eprintln!("three {n}");
            println!("{n}");
            n
        };
        assert!((0..500).eq(procs.map(chatty, 0..500).into_iter().map(Result::unwrap)));
        procs.shutdown();
        let mut lines: Vec<_> = lines
            .lock()
            .unwrap()
            .drain(..)
            .map(|(_, stream, text)| (stream == Stream::Stderr, text))
            .collect();
        lines.sort();
        let mut expected: Vec<_> = (0..500)
            .flat_map(|n| {
                [(false, format!("one {n}")), (false, format!("two {n}")), (true, format!("three {n}"))]
            })
            .collect();
        expected.sort();
        assert_eq!(lines, expected);
        assert!(sys::has_no_child());
    }
}

pub(crate) fn labelled_lines_say_whose_they_are() {
    // The pool that labels is a call's, so that what it prints can be captured.
    let (procs, lines) = capturing(Start::Exec);
    let labelled = |(): ()| {
        let inner = ProcessPool::builder().workers(1).labelled().build().unwrap();
        inner.spawn(|(): ()| println!("soup\nbread"), ()).join().unwrap();
        inner.shutdown();
    };
    procs.spawn(labelled, ()).join().unwrap();
    procs.shutdown();
    let lines: Vec<_> = lines.lock().unwrap().drain(..).map(|(_, _, text)| text).collect();
    assert_eq!(lines, ["[worker 0] soup", "[worker 0] bread"]);
}

pub(crate) fn last_words_are_heard() {
    let (procs, lines) = capturing(Start::Exec);
    let last_words = |(): ()| {
        // It holds the pipe open.
        eprint!("{}", sys::leak_a_grandchild());
        process::abort();
    };
    assert!(procs.spawn(last_words, ()).join().map(|(): ()| ()).is_err());
    procs.shutdown();
    let lines = lines.lock().unwrap();
    let [(_, Stream::Stderr, grandchild)] = &lines[..] else { panic!("{lines:?}") };
    sys::kill(grandchild.parse().unwrap());
}

pub(crate) fn a_sink_that_panics_harms_nobody() {
    let builder = ProcessPool::builder().workers(1).launcher(launcher());
    let procs = builder.captured(|_| panic!("the sink is full")).build().unwrap();
    let chatty = |n: u32| {
        println!("{}", "x".repeat(1_000));
        n
    };
    assert!((0..500).eq(procs.map(chatty, 0..500).into_iter().map(Result::unwrap)));
    procs.shutdown();
}
