//! Launchers that wrap another one's workers, and forget a method that has a default.

use crate::scripts::{Scripts, silent};
use brigade_process::{
    Argv, Builder, Command, Ended, JoinError, Launched, Launcher, Local, Lost, ProcessPool,
};
use std::{
    io,
    net::Ipv4Addr,
    os::fd::{BorrowedFd, OwnedFd},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// The method that a wrapper answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    HasRing(bool),
    HasSetup,
    Output,
    Connect,
    Grace,
    StartLimit,
    Command,
    Advice,
    DeliversAtOnce,
    ExitIsChannel,
    NoExit,
    Nothing,
}

/// How often a worker was asked whether it has ended.
static ASKED: AtomicU32 = AtomicU32::new(0);

/// A worker that passes on all but one method.
struct Wrapped(Box<dyn Launched>, Own);

impl Launched for Wrapped {
    fn id(&self) -> u32 {
        self.0.id()
    }
    fn channel(&self) -> BorrowedFd<'_> {
        self.0.channel()
    }
    fn exit(&self) -> Option<BorrowedFd<'_>> {
        match self.1 {
            // It can be read at the end, too, and before.
            Own::ExitIsChannel => Some(self.0.channel()),
            Own::NoExit => None,
            _ => self.0.exit(),
        }
    }
    fn confirm(&mut self) -> io::Result<()> {
        self.0.confirm()
    }
    fn connect(&mut self) -> io::Result<bool> {
        if self.1 == Own::Connect { Ok(true) } else { self.0.connect() }
    }
    fn advice(&self, lost: &Lost) -> Option<String> {
        self.0.advice(lost).filter(|_| self.1 != Own::Advice)
    }
    fn command(&self) -> Option<&str> {
        self.0.command().filter(|_| self.1 != Own::Command)
    }
    fn start_limit(&self) -> Option<Duration> {
        self.0.start_limit().filter(|_| self.1 != Own::StartLimit)
    }
    fn output(&mut self) -> Option<[OwnedFd; 2]> {
        if self.1 == Own::Output { None } else { self.0.output() }
    }
    fn delivers_at_once(&self) -> bool {
        self.1 != Own::DeliversAtOnce && self.0.delivers_at_once()
    }
    fn has_ring(&self) -> bool {
        if let Own::HasRing(says) = self.1 { says } else { self.0.has_ring() }
    }
    fn has_setup(&self) -> bool {
        self.1 != Own::HasSetup && self.0.has_setup()
    }
    fn grace(&self) -> Option<Duration> {
        self.0.grace().filter(|_| self.1 != Own::Grace)
    }
    fn kill(&mut self) -> io::Result<()> {
        self.0.kill()
    }
    fn wait(&mut self) -> io::Result<Option<Ended>> {
        ASKED.fetch_add(1, Ordering::Relaxed);
        self.0.wait()
    }
}

/// Wraps the workers of a launcher, and does not pass on `is_heard`.
struct Wraps<L>(L, Own);

impl<L: Launcher> Launcher for Wraps<L> {
    fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
        Ok(Box::new(Wrapped(self.0.start(command)?, self.1)))
    }
}

fn assert_is_told(builder: Builder, method: &str) {
    let told = builder.build().expect_err(method).to_string();
    assert!(told.contains(&format!("`Launched::{method}`")), "{method}: {told}");
    assert!(crate::sys::has_no_child());
}

pub(crate) fn a_wrapper_that_forgets_a_method_is_told_which() {
    let local = |own| ProcessPool::builder().workers(2).launcher(Wraps(Local::default(), own));
    assert_is_told(local(Own::HasRing(false)), "has_ring");
    assert_is_told(local(Own::HasSetup), "has_setup");
    assert_is_told(local(Own::Output).captured(|_| ()), "output");
    let dials = Argv::new(["env"]).dial_back(Ipv4Addr::LOCALHOST.into());
    assert_is_told(silent(Wraps(dials, Own::Connect)), "connect");
    let waits = Argv::new(["env"]).start_limit(Duration::from_secs(3600));
    assert_is_told(silent(Wraps(waits, Own::StartLimit)), "start_limit");
    let scripts = Scripts::new("srun", "exec \"$@\"");
    assert_is_told(scripts.builder(Wraps(Argv::new(["srun"]), Own::Grace)), "grace");
}

pub(crate) fn a_wrapper_that_forgets_what_is_harmless_works() {
    for own in [Own::Command, Own::Advice, Own::DeliversAtOnce] {
        for procs in [
            ProcessPool::builder().workers(2).launcher(Wraps(Local::default(), own)).build().unwrap(),
            ProcessPool::builder().workers(2).launcher(Wraps(Argv::new(["env"]), own)).build().unwrap(),
        ] {
            assert!(procs.map(|n: u32| n + 1, 0..100).into_iter().map(Result::unwrap).eq(1..=100));
        }
    }
}

pub(crate) fn a_wrapper_that_invents_a_ring_is_told() {
    let launcher = Wraps(Local::default().without_shared_memory(), Own::HasRing(true));
    let procs = ProcessPool::builder().workers(1).launcher(launcher).build().unwrap();
    match procs.spawn(|n: u32| n, 1).join() {
        Err(JoinError::Lost(Lost::NotStarted(why), _)) => {
            assert!(why.contains("`Launched::has_ring`"), "{why}")
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn an_end_is_seen_by_whichever_descriptor() {
    for own in [Own::ExitIsChannel, Own::NoExit] {
        let launcher = Wraps(Local::default().without_shared_memory(), own);
        let procs = ProcessPool::builder().workers(3).launcher(launcher).build().unwrap();
        for n in 0..3 {
            let lost = procs.spawn(|code: i32| -> u32 { std::process::exit(code) }, n).join();
            assert!(matches!(lost, Err(JoinError::Lost(Lost::Exited { code }, _)) if code == n), "{lost:?}");
        }
        assert!(procs.map(|n: u32| n, 0..100).into_iter().map(Result::unwrap).eq(0..100));
        procs.shutdown();
        assert!(crate::sys::has_no_child());
    }
}

pub(crate) fn a_call_looks_at_no_other_worker() {
    let launcher = Wraps(Local::default().without_shared_memory(), Own::Nothing);
    let procs = ProcessPool::builder().workers(10).launcher(launcher).build().unwrap();
    while procs.statistics().workers.iter().any(|worker| worker.calls == 0) {
        let calls: Vec<_> = (0..10).map(|n| procs.spawn(|n: u32| n, n)).collect();
        calls.into_iter().for_each(|call| _ = call.join().unwrap());
    }
    let before = ASKED.load(Ordering::Relaxed);
    for n in 0..200 {
        assert_eq!(procs.spawn(|n: u32| n, n).join().unwrap(), n);
    }
    assert_eq!(ASKED.load(Ordering::Relaxed), before, "no worker has ended");
}
