//! A worker's process as its launcher gave it. That is foreign code, so it is called only here: a panic
//! becomes an error.

use crate::{
    call::panics,
    parent::launcher::{Ended, Launched},
};
use brigade_handle::{Lost, contain};
use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
    panic::AssertUnwindSafe,
    time::Duration,
};

/// A launcher's worker, with every panic contained.
pub(crate) struct Contained {
    /// None while it is dropped.
    launched: Option<Box<dyn Launched>>,
    id: u32,
    has_ring: bool,
    has_setup: bool,
    delivers_at_once: bool,
    command: Option<String>,
    start_limit: Option<Duration>,
    grace: Option<Duration>,
}

/// Calls foreign code. A panic becomes an error that names the method.
pub(crate) fn contained<R>(method: &str, call: impl FnOnce() -> R) -> io::Result<R> {
    // Unwind safe: after a panic the worker is killed, and nothing but `kill`, `wait` and its destructor is
    // called.
    panics::catch(AssertUnwindSafe(call)).map_err(|report| {
        io::Error::other(format!("the launcher panicked in `{method}`: {}", report.message))
    })
}

impl Contained {
    pub(crate) fn new(launched: Box<dyn Launched>) -> io::Result<Self> {
        let mut new = Self {
            launched: Some(launched),
            id: 0,
            has_ring: false,
            has_setup: false,
            delivers_at_once: false,
            command: None,
            start_limit: None,
            grace: None,
        };
        new.id = new.ask("id", |launched| launched.id())?;
        new.has_ring = new.ask("has_ring", |launched| launched.has_ring())?;
        new.has_setup = new.ask("has_setup", |launched| launched.has_setup())?;
        new.delivers_at_once = new.ask("delivers_at_once", |launched| launched.delivers_at_once())?;
        new.command = new.ask("command", |launched| launched.command().map(str::to_owned))?;
        new.start_limit = new.ask("start_limit", |launched| launched.start_limit())?;
        new.grace = new.ask("grace", |launched| launched.grace())?;
        Ok(new)
    }

    fn inner(&self) -> &dyn Launched {
        &**self.launched.as_ref().expect("it is taken in drop alone")
    }

    fn inner_mut(&mut self) -> &mut dyn Launched {
        &mut **self.launched.as_mut().expect("it is taken in drop alone")
    }

    fn ask<'a, R>(&'a self, method: &str, ask: impl FnOnce(&'a dyn Launched) -> R) -> io::Result<R> {
        contained(method, || ask(self.inner()))
    }

    fn have<R>(&mut self, method: &str, call: impl FnOnce(&mut dyn Launched) -> R) -> io::Result<R> {
        contained(method, || call(self.inner_mut()))
    }

    // ------------------------------------------------------------------- asked once, when it was started
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn has_ring(&self) -> bool {
        self.has_ring
    }

    pub(crate) fn has_setup(&self) -> bool {
        self.has_setup
    }

    pub(crate) fn delivers_at_once(&self) -> bool {
        self.delivers_at_once
    }

    pub(crate) fn command(&self) -> Option<&str> {
        self.command.as_deref()
    }

    pub(crate) fn start_limit(&self) -> Option<Duration> {
        self.start_limit
    }

    pub(crate) fn grace(&self) -> Option<Duration> {
        self.grace
    }

    // ---------------------------------------------------------------------------------- asked each time
    pub(crate) fn channel(&self) -> io::Result<BorrowedFd<'_>> {
        self.ask("channel", |launched| launched.channel())
    }

    pub(crate) fn exit(&self) -> io::Result<Option<BorrowedFd<'_>>> {
        self.ask("exit", |launched| launched.exit())
    }

    pub(crate) fn advice(&self, lost: &Lost) -> Option<String> {
        self.ask("advice", |launched| launched.advice(lost)).ok().flatten()
    }

    pub(crate) fn confirm(&mut self) -> io::Result<()> {
        self.have("confirm", |launched| launched.confirm())?
    }

    pub(crate) fn connect(&mut self) -> io::Result<bool> {
        self.have("connect", |launched| launched.connect())?
    }

    pub(crate) fn output(&mut self) -> io::Result<Option<[OwnedFd; 2]>> {
        self.have("output", |launched| launched.output())
    }

    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.have("kill", |launched| launched.kill())?
    }

    pub(crate) fn wait(&mut self) -> io::Result<Option<Ended>> {
        self.have("wait", |launched| launched.wait())?
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        let launched = self.launched.take();
        contain(|| drop(launched));
    }
}
