//! A reactor of one's own, over mio: checked like the one of the runtime.

use crate::coarse;
use brigade_explore::{
    Class, Explore,
    mio::{Events, Interest, Poll, Token, Waker, net::UnixStream},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, Thread},
};
use std::{
    io::{ErrorKind, Read, Write},
    sync::Arc,
};

const STREAM: Token = Token(0);
const STOP: Token = Token(1);

/// One stream, as the reactor and a reader know it.
#[derive(Default)]
struct Source {
    is_readable: AtomicBool,
    reader: Mutex<Option<Thread>>,
}

/// Reports readiness until it is stopped.
fn run(mut poll: Poll, source: &Source) {
    let mut events = Events::with_capacity(8);
    loop {
        poll.poll(&mut events, None).unwrap();
        for event in &events {
            if event.token() == STOP {
                return;
            }
            source.is_readable.store(true, SeqCst);
            if let Some(reader) = source.reader.lock().unwrap().take() {
                reader.unpark();
            }
        }
    }
}

/// Reads bytes as they come.
fn read(mut stream: &UnixStream, source: &Source, place: &mut [u8], looks_again: bool) -> usize {
    loop {
        match stream.read(place) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => return result.unwrap(),
        }
        while !source.is_readable.swap(false, SeqCst) {
            *source.reader.lock().unwrap() = Some(thread::current());
            // A report that came since the last look has found no reader.
            if looks_again && source.is_readable.load(SeqCst) {
                continue;
            }
            thread::park();
        }
    }
}

fn program(looks_again: bool) -> impl Fn() + Send + Sync + 'static {
    move || {
        let poll = Poll::new().unwrap();
        let stop = Waker::new(poll.registry(), STOP).unwrap();
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        poll.registry().register(&mut ours, STREAM, Interest::READABLE).unwrap();
        let source = Arc::new(Source::default());
        let of_reactor = source.clone();
        let reactor = thread::spawn(move || run(poll, &of_reactor));
        // One byte is never written by halves.
        let writer = thread::spawn(move || theirs.write(b"x").unwrap());
        let mut place = [0; 4];
        assert_eq!(read(&ours, &source, &mut place, looks_again), 1);
        assert_eq!(writer.join().unwrap(), 1);
        stop.wake().unwrap();
        reactor.join().unwrap();
    }
}

#[test]
fn a_reader_that_does_not_look_again_loses_a_report() {
    let lost = Explore::new().schedules(3_000).explore_threads(program(false)).expect_failure();
    assert!([Class::LostWakeUp, Class::Stuck].contains(&lost.failure.class), "{lost}");
}

#[test]
fn a_reader_that_looks_again_loses_none() {
    Explore::new().schedules(1_000).explore_threads(program(true)).expect_pass();
    coarse(1_000).explore_threads(program(true)).expect_pass();
}
