//! The parent's side of the children: it sends requests, and replaces a child that has ended.

use crate::{
    child::{Checked, prepare, read_frame, serve, write_frame},
    outcome::{Class, Failure, Outcome, Request, Strategy},
    schedule::Schedule,
    sys::{self, Child, Exit, Kills},
};
use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// One child at a time, which makes runs.
pub(crate) struct Server {
    checked: Checked,
    /// The processor that the children stay on.
    processor: Option<usize>,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn new(checked: Checked) -> Self {
        /// Spreads the checks of this process.
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let processors = sys::processors();
        // Relaxed: any number will do.
        let next = NEXT.fetch_add(1, Relaxed).checked_rem(processors.len());
        Self { checked, processor: next.map(|next| processors[next]), child: None }
    }

    /// Makes a server of the same code, on another processor if there is one.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.checked.clone())
    }

    /// Makes a run in a child.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error if it refuses a process or a pipe.
    pub(crate) fn make_run(&mut self, request: &Request) -> io::Result<Outcome> {
        let mut outcome = self.make_run_once(request)?;
        // A lock of std that another thread of the parent held at the fork stays taken in the child, such as
        // that of stdout. Another child tells this from a lock that the checked code holds.
        if outcome.failure.as_ref().is_some_and(|failure| failure.class == Class::BlockedOutside) {
            return self.make_run_once(request);
        }
        if let Some(failure) = outcome.failure.as_mut().filter(|_| !request.wants_waits)
            && matches!(failure.class, Class::Stuck | Class::Leak)
        {
            // To watch all waits costs time, and few runs get stuck. So such a run is made again.
            let strategy = Strategy::Follow(outcome.schedule.clone());
            let request = Request { strategy, wants_waits: true, wants_choices: false, ..*request };
            if let Some(told) = self.make_run_once(&request)?.failure {
                *failure = told;
            }
        }
        Ok(outcome)
    }

    fn make_run_once(&mut self, request: &Request) -> io::Result<Outcome> {
        let bytes = postcard::to_stdvec(request).map_err(io::Error::other)?;
        let mut child = match self.child.take() {
            // A report numbers the tasks as in the first run of a process, so that it is the same each time.
            Some(child) if request.wants_waits => {
                end(child, Kills::Yes)?;
                self.fork()?
            }
            Some(child) => child,
            None => self.fork()?,
        };
        let sent = child.requests.as_mut().map_or(Ok(()), |requests| write_frame(requests, &bytes));
        let answer = match sent {
            Ok(()) => read_frame(&mut child.answers)?,
            // The child has ended; its end says why.
            Err(_) => None,
        };
        let Some(answer) = answer else {
            return Ok(ended(end(child, Kills::No)?));
        };
        let outcome: Outcome = postcard::from_bytes(&answer).map_err(io::Error::other)?;
        if outcome.ends_child() {
            end(child, Kills::Yes)?;
        } else {
            self.child = Some(child);
        }
        Ok(outcome)
    }

    fn fork(&self) -> io::Result<Child> {
        prepare();
        let (checked, processor) = (self.checked.clone(), self.processor);
        sys::fork(move |requests, answers| {
            sys::end_with_parent();
            if let Some(processor) = processor {
                sys::stay_on_processor(processor);
            }
            serve(&checked, requests, answers);
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            // The child is killed, so nothing is left of it whatever the call says.
            let _ = end(child, Kills::Yes);
        }
    }
}

fn end(mut child: Child, kills: Kills) -> io::Result<Exit> {
    child.requests = None;
    sys::reap(child.pid, kills)
}

/// The outcome of a run whose process has ended.
fn ended(exit: Exit) -> Outcome {
    let message = match exit {
        Exit::Code(code) => format!("the checked code has ended its process with the exit code {code}"),
        Exit::Signal(signal) => format!("the process of the run was ended by signal {signal}"),
    };
    let failure = Failure { class: Class::ProcessEnd, message, sites: Vec::new() };
    Outcome {
        failure: Some(failure),
        schedule: Schedule::default(),
        choices: Vec::new(),
        length: 0,
        hash: 0,
        story: None,
        moment: None,
    }
}
