//! The workers' output, when the pool reads it.

use crate::{
    gate::{Gate, wait_at},
    path::launcher,
    sys,
};
use brigade_process::{JoinError, Line, Lost, ProcessPool, Start, Stream};
use std::{
    io::Write,
    process::{self, Command},
    sync::{Arc, Mutex, mpsc},
    thread,
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

pub(crate) fn output_of_workers_is_captured_by_lines() {
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
    // The pool that labels belongs to a call, so that its output can be captured.
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
        // The grandchild holds the pipe open.
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

pub(crate) fn a_line_without_an_end_comes_in_pieces() {
    let pieces = Arc::new(Mutex::new(Vec::new()));
    let theirs = pieces.clone();
    let builder = ProcessPool::builder().workers(1).launcher(launcher());
    let sink =
        builder.captured(move |line| theirs.lock().unwrap().push((line.text.to_vec(), line.continues)));
    let procs = sink.build().unwrap();
    let print = |length: usize| std::io::stdout().write_all(&vec![b'.'; length]).unwrap();
    procs.spawn(print, 1 << 20).join().unwrap();
    procs.spawn(|(): ()| println!("!"), ()).join().unwrap();
    procs.shutdown();
    let pieces = pieces.lock().unwrap();
    let (last, others) = pieces.split_last().unwrap();
    assert!(others.iter().all(|(text, continues)| text.len() == 64 << 10 && *continues));
    assert_eq!(last, &(b"!".to_vec(), false));
    let printed = others.iter().flat_map(|(text, _)| text);
    assert!(printed.eq([b'.'; 1 << 20].iter()));
}

pub(crate) fn a_grandchild_that_prints_for_ever_holds_up_no_end() {
    let endless = |(): ()| Command::new("yes").arg("still here").spawn().unwrap().id();
    for ends in [ProcessPool::shutdown, ProcessPool::terminate] {
        // The sink takes longer for each line than the worker needs to write it.
        let slow = |_: Line<'_>| (0..20).for_each(|_| thread::yield_now());
        let builder = ProcessPool::builder().workers(2).launcher(launcher()).captured(slow);
        let procs = builder.build().unwrap();
        let grandchild = procs.spawn(endless, ()).join().unwrap();
        // A worker that dies leaves one, too.
        let orphan = procs.spawn(endless, ()).join().unwrap();
        procs.worker_ids().into_iter().take(1).for_each(sys::kill);
        assert_eq!(procs.spawn(|n: u32| n, 1).join().unwrap(), 1);
        ends(procs);
        assert!(sys::has_no_child());
        sys::kill(grandchild);
        sys::kill(orphan);
    }
}

pub(crate) fn a_slow_sink_holds_up_no_call() {
    let (open, opened) = mpsc::channel::<()>();
    let builder = ProcessPool::builder().workers(1).launcher(launcher());
    let (tell, told) = mpsc::channel();
    let sink = move |line: Line<'_>| {
        // The first one waits until the test is over.
        let _ = opened.recv();
        tell.send(String::from_utf8(line.text.to_vec()).unwrap()).unwrap();
    };
    let procs = builder.captured(sink).build().unwrap();
    procs.spawn(|(): ()| println!("one"), ()).join().unwrap();
    let last_words = |(): ()| {
        println!("two");
        process::abort();
    };
    for _ in 0..3 {
        let lost = procs.spawn(last_words, ()).join().map(|(): ()| ());
        assert!(matches!(lost, Err(JoinError::Lost(Lost::Killed { signal: 6 }, _))), "{lost:?}");
        assert_eq!(procs.spawn(|n: u32| n, 1).join().unwrap(), 1);
    }
    drop(open);
    procs.shutdown();
    assert!(told.into_iter().eq(["one", "two", "two", "two"]));
}

pub(crate) fn a_sink_that_does_not_come_back_is_not_waited_for_for_ever() {
    let (open, opened) = mpsc::channel::<()>();
    let builder = ProcessPool::builder().workers(1).launcher(launcher());
    let (tell, told) = mpsc::channel();
    let sink = move |line: Line<'_>| {
        let _ = opened.recv();
        tell.send(line.text.len()).unwrap();
    };
    let procs = builder.captured(sink).build().unwrap();
    procs.spawn(|(): ()| println!("one\nthree"), ()).join().unwrap();
    procs.shutdown();
    assert!(sys::has_no_child());
    // The output so far is not lost.
    drop(open);
    assert!(told.into_iter().eq([3, 5]));
}

pub(crate) fn a_sink_may_drop_the_pool() {
    let gate = Gate::new();
    let (give, given) = mpsc::channel::<ProcessPool>();
    let (tell, told) = mpsc::channel::<()>();
    let sink = move |_: Line<'_>| {
        let _tell = &tell;
        drop(given.recv());
    };
    let procs = ProcessPool::builder().workers(2).launcher(launcher()).captured(sink).build().unwrap();
    let running = procs.spawn(wait_at, gate.port());
    let _waiting = gate.arrival();
    let _line = procs.spawn(|(): ()| println!("the end"), ());
    give.send(procs).unwrap();
    drop(give);
    assert!(matches!(running.join(), Err(JoinError::Cancelled(_))));
    // The sink is dropped when the thread that calls it is done.
    assert!(told.recv().is_err());
    while !sys::has_no_child() {
        thread::yield_now();
    }
}

/// Prints lines by a pool that labels them, to a pipe that does not block and is full.
fn print_to_a_full_pipe(port: u16) {
    sys::make_stdout_nonblocking();
    let inner = ProcessPool::builder().workers(1).labelled().build().unwrap();
    let lines = inner.spawn(|(): ()| (0..3_000).for_each(|n| println!("{n:050}")), ());
    while sys::bytes_in_stdout() < 60 << 10 {
        thread::yield_now();
    }
    wait_at(port);
    lines.join().unwrap();
    inner.shutdown();
}

pub(crate) fn labelled_lines_wait_for_a_stream_that_does_not_block() {
    let gate = Gate::new();
    let (open, opened) = mpsc::channel::<()>();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let theirs = lines.clone();
    let sink = move |line: Line<'_>| {
        let _ = opened.recv();
        theirs.lock().unwrap().push(String::from_utf8(line.text.to_vec()).unwrap());
    };
    let procs = ProcessPool::builder().workers(1).launcher(launcher()).captured(sink).build().unwrap();
    let printing = procs.spawn(print_to_a_full_pipe, gate.port());
    let waiting = gate.arrival();
    drop((open, waiting));
    printing.join().unwrap();
    procs.shutdown();
    assert!(
        lines.lock().unwrap().iter().eq(&Vec::from_iter((0..3_000).map(|n| format!("[worker 0] {n:050}"))))
    );
}
