//! Lab 12: a process pool. The chapter is `course/book/src/labs/12-process-pool.md`.

use brigade_course_kit::{
    lab12::{Answer, Channel, Child, Function, Garbage, Launcher, Lost, ProcessPool},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    to_write,
};
use std::{collections::VecDeque, io};

/// Your pool. Each child has a keeper: a thread that gives it one call after the other.
pub struct Student {
    shared: Arc<Shared>,
    keepers: Vec<JoinHandle<()>>,
}

struct Shared {
    launcher: Launcher,
    queue: Mutex<Queue>,
    /// Keepers wait here for a call, or for the close.
    news: Condvar,
}

#[derive(Default)]
struct Queue {
    calls: VecDeque<(Vec<u8>, Answer)>,
    is_closed: bool,
}

impl Shared {
    /// Waits for a call. Returns `None` when the pool is closed and all calls are taken.
    fn next(&self) -> Option<(Vec<u8>, Answer)> {
        to_write("step 5: wait for a call")
    }

    /// The life of a keeper.
    fn keep(&self) {
        let mut child = None;
        while let Some((input, answer)) = self.next() {
            let result = self.carry_out(&mut child, &input);
            answer.complete(result);
        }
        to_write("step 7: end the child, if there is one, and reap it")
    }

    /// Has a child carry out a call. The child is started if there is none.
    fn carry_out(&self, _child: &mut Option<Child>, _input: &[u8]) -> Result<Vec<u8>, Lost> {
        to_write("step 6: write the call, read the answer; give a dead child up")
    }
}

/// Writes all of the bytes.
fn write_all(_channel: &Channel, _bytes: &[u8]) -> io::Result<()> {
    to_write("step 3: write until nothing is left")
}

/// Reads one message. `buffer` has what came before and keeps what comes after it. Returns `None` at the end.
fn read_message(_channel: &Channel, _buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    to_write("step 3: decode, and read on until a message is whole")
}

impl ProcessPool for Student {
    fn encode(_message: &[u8]) -> Vec<u8> {
        to_write("step 1: a header with a length and two checksums, then the message")
    }

    fn decode(_bytes: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Garbage> {
        to_write("step 2: look at the header, then at the message, then take the frame out")
    }

    fn serve(channel: &Channel, function: Function<'_>) {
        let mut buffer = Vec::new();
        while let Ok(Some(input)) = read_message(channel, &mut buffer) {
            let _output = function(&input);
            to_write("step 4: answer with the output")
        }
    }

    fn start(launcher: Launcher, children: usize) -> Self {
        let shared = Arc::new(Shared { launcher, queue: Mutex::default(), news: Condvar::new() });
        let keeper = |number| {
            let shared = shared.clone();
            thread::spawn_named(&format!("keeper {number}"), move || shared.keep())
        };
        Self { keepers: (0..children).map(keeper).collect(), shared }
    }

    fn call(&self, input: Vec<u8>, answer: Answer) {
        self.shared.queue.lock().unwrap().calls.push_back((input, answer));
        self.shared.news.notify_one();
    }

    fn shutdown(self) {
        self.shared.queue.lock().unwrap().is_closed = true;
        self.shared.news.notify_all();
        for keeper in self.keepers {
            keeper.join().unwrap();
        }
    }
}
