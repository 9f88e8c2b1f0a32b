//! Lab 9 as data: points, hints, questions, the incident.

use crate::{Case, Hint, Incident, Lab, Question, Stuck, lab::test};
use brigade_explore::{
    mio::{Events, Interest, Poll, Token, net::UnixStream},
    runtime::{Runtime, io::AsyncFd},
};
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream as OsStream,
    time::Duration,
};

const LOST: Stuck =
    Stuck { rule: "lost-readiness", expected: "a task whose source is ready is polled again" };
const HANGS: Stuck = Stuck { rule: "foreign-code", expected: "a waker may use the reactor" };

/// The lab.
pub static LAB: Lab = Lab {
    number: 9,
    slug: "reactor",
    title: "a reactor over mio",
    tests: &[
        test("reads", 10, 1, LOST, "reads bytes that are there"),
        test("waits", 10, 1, LOST, "wakes a task when bytes come, an hour later"),
        test("every-interleaving", 20, 300, LOST, "loses no readiness, whenever the bytes come"),
        test("short-reads", 10, 150, LOST, "reads on after a short read, up to the end"),
        test("half-close", 10, 50, LOST, "writes to a peer that writes no more"),
        test("half-close-ours", 5, 20, LOST, "reads after its own direction is closed"),
        test("two-directions", 10, 30, LOST, "wakes the reader and the writer of one source"),
        test("moved", 5, 20, LOST, "wakes the task that polled last"),
        test("asks-the-flag", 5, 20, LOST, "asks its own flag before it asks the operating system"),
        test("one-registration", 5, 20, LOST, "registers a stream once, and deregisters it"),
        test("calls-back", 5, 20, HANGS, "calls wakers outside of its locks"),
        test("real", 5, 0, LOST, "serves four clients on the operating system itself"),
    ],
    hints: &[
        Hint {
            rule: "lost-readiness",
            levels: [
                "Where was the event: before the attempt, between the attempt and the waker, or behind the bytes?",
                "The selector tells each thing once. A flag must keep it until an attempt would have blocked.",
                "Make the attempt, clear the flag and store the waker under one lock, and set the flag under it too. \
                 Clear the flag only after `WouldBlock`, and keep one waker for each direction.",
            ],
        },
        Hint {
            rule: "bytes",
            levels: [
                "Which bytes did the last call return, and how many did it say there were?",
                "The result of the attempt is the result of the poll, but for `WouldBlock`.",
                "Return `Poll::Ready(result)` for every result that is not an error of the kind `WouldBlock`.",
            ],
        },
        Hint {
            rule: "half-close",
            levels: [
                "Which of the two directions has ended, and which one is used here?",
                "The end of the bytes that come says nothing about the bytes that go.",
                "An end is read like bytes: `read` returns 0. Let no event close or refuse a direction by itself.",
            ],
        },
        Hint {
            rule: "vain",
            levels: [
                "What has happened to this stream since the last read that would have blocked?",
                "A task may be polled for another reason than your reactor. Then nothing has changed at the source.",
                "Look at the flag first. If it is clear, store the waker and return `Pending` without a system call.",
            ],
        },
        Hint {
            rule: "registration",
            levels: [
                "How often is this stream registered, and what ends its registration?",
                "One registration serves both directions for as long as the stream lives.",
                "Register with `READABLE.add(WRITABLE)` in `register`. Deregister in the `Drop` of your source, \
                 and keep the stream there and nowhere else.",
            ],
        },
        Hint {
            rule: "foreign-code",
            levels: [
                "Which lock does the reactor hold while it calls the waker?",
                "A waker is foreign code. It may drop a source, which needs the lock of your table.",
                "Collect the wakers in a `Vec`, free all locks, then wake them.",
            ],
        },
    ],
    questions: &[
        Question {
            ask: |case| {
                let (before, after) = (case.number(2, 9), case.number(2, 9));
                format!(
                    "A stream is registered once, for reading. Its peer writes {before} times. Then the selector \
                     is asked {after} times, and before each of these but the first, the peer writes once more. \
                     Nobody reads. How many events are there?"
                )
            },
            run: |case| {
                let (before, after) = (case.number(2, 9), case.number(2, 9));
                count_events(before, after)
            },
            why: "Things that happen before the selector is asked become one event. Each later write is news, \
                  and is told once.",
        },
        Question {
            ask: |case| {
                let (bytes, size) = (case.number(10, 99), case.number(3, 9));
                format!(
                    "A peer writes {bytes} bytes and closes. A task reads with a buffer of {size} bytes until the \
                     end. How many reads are ready?"
                )
            },
            run: |case| count_reads(case).expect("the system gives sockets"),
            why: "Each read takes what fits into the buffer. The end is one more read, which returns 0.",
        },
    ],
    incident: Incident {
        story: "A reader tried, and nothing was there. A letter came, and the postman looked for a bell to ring. \
                There was none yet. The reader hung up his bell, and waits until today.",
        bug: "notify-before-wait",
    },
};

/// Counts the events of a stream whose peer writes `before` times, and once before each further look.
fn count_events(before: u64, looks: u64) -> u64 {
    let (ours, theirs) = OsStream::pair().expect("the system gives sockets");
    ours.set_nonblocking(true).expect("a socket can be so");
    let (mut ours, mut theirs) = (UnixStream::from_std(ours), theirs);
    let mut poll = Poll::new().expect("the system gives a selector");
    poll.registry().register(&mut ours, Token(0), Interest::READABLE).expect("it takes the stream");
    let mut events = Events::with_capacity(8);
    let mut count = 0;
    for look in 0..looks {
        for _ in 0..if look == 0 { before } else { 1 } {
            theirs.write_all(b"x").expect("there is room");
        }
        poll.poll(&mut events, Some(Duration::ZERO)).expect("the selector works");
        count += events.iter().count() as u64;
    }
    count
}

/// Counts the reads of a task of Brigade, the last of which finds the end.
fn count_reads(case: &mut Case) -> io::Result<u64> {
    let (bytes, size) = (case.number(10, 99) as usize, case.number(3, 9) as usize);
    let runtime = Runtime::builder().current_thread().build()?;
    runtime.block_on(async {
        let (ours, mut theirs) = OsStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.write_all(&vec![0; bytes])?;
        drop(theirs);
        let (ours, mut count) = (AsyncFd::new(ours)?, 0);
        loop {
            count += 1;
            if ours.read_with(|mut stream| stream.read(&mut vec![0; size])).await? == 0 {
                return Ok(count);
            }
        }
    })
}
