//! Launchers of the user's: foreign code on the pool's threads, which may panic, or hang, or take its time.

use crate::{
    gate::{Gate, wait_at},
    path::launcher,
    sys,
};
use brigade_process::{Command, Ended, JoinError, Launched, Launcher, Lost, ProcessPool, Start};
use std::{
    fs, io,
    os::fd::{BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::channel,
    },
    time::Duration,
};

const LIMIT: Duration = Duration::from_millis(20);

/// Starts this many workers, and does something else from then on.
struct Then<F>(u32, F);

impl<F: FnMut() + Send> Launcher for Then<F> {
    fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
        match self.0.checked_sub(1) {
            Some(left) => self.0 = left,
            None => (self.1)(),
        }
        launcher().start(command)
    }
}

/// The reason for which the call was not made.
fn not_started(result: Result<u32, JoinError>) -> String {
    match result {
        Err(JoinError::Lost(Lost::NotStarted(why), _)) => why.into(),
        other => panic!("{other:?}"),
    }
}

fn no_second_oven() {
    panic!("no second oven")
}

pub(crate) fn a_launcher_that_panics_is_a_failed_start() {
    let error = ProcessPool::builder().workers(2).launcher(Then(1, no_second_oven)).build().unwrap_err();
    assert!(error.to_string().contains("no second oven"), "{error}");
    assert!(sys::has_no_child(), "the first worker has gone with the pool");
    let procs = ProcessPool::builder().workers(1).launcher(Then(1, no_second_oven)).build().unwrap();
    let lost = procs.spawn(|(): ()| -> u32 { std::process::abort() }, ()).join();
    assert!(matches!(lost, Err(JoinError::Lost(Lost::Killed { signal: 6 }, _))));
    assert!(not_started(procs.spawn(|n: u32| n, 1).join()).contains("no second oven"));
    procs.shutdown();
    assert!(sys::has_no_child());
}

pub(crate) fn a_start_that_is_refused_for_the_moment_is_tried_again() {
    struct Refused(AtomicU32);
    impl Launcher for Refused {
        fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 | 3 | 4 => Err(io::ErrorKind::WouldBlock.into()),
                _ => launcher().start(command),
            }
        }
    }
    // The first start is refused, and two more when the worker is replaced.
    let procs = ProcessPool::builder().workers(2).launcher(Refused(AtomicU32::new(0))).build().unwrap();
    let killed = procs.worker_ids();
    killed.iter().for_each(|&worker| sys::kill(worker));
    // A call that both are given before they end would not be tried again.
    while procs.worker_ids().iter().any(|worker| killed.contains(worker)) {
        std::thread::yield_now();
    }
    assert_eq!(procs.spawn(|n: u32| n, 1).join().unwrap(), 1);
}

pub(crate) fn a_launcher_that_hangs_delays_no_limit_and_no_end() {
    let (hangs, is_hanging) = channel();
    let (release, released) = channel::<()>();
    let hang = move || {
        hangs.send(()).unwrap();
        // This ends when the test does.
        let _ = released.recv();
    };
    let procs = ProcessPool::builder().workers(2).launcher(Then(2, hang)).build().unwrap();
    let gate = Gate::new();
    let other = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let lost = procs.spawn(|(): ()| -> u32 { std::process::abort() }, ()).join();
    assert!(lost.is_err());
    is_hanging.recv().unwrap();
    // One worker is left. Its death is seen, a limit is kept, and the pool ends.
    drop(waiting);
    assert_eq!(other.join().unwrap(), gate.port());
    let limited = procs.call(wait_at, gate.port()).timeout(LIMIT).spawn();
    let _stuck = gate.arrival();
    assert!(matches!(limited.join(), Err(JoinError::Lost(Lost::TimedOut { limit: LIMIT }, _))));
    let queued = procs.spawn(|n: u32| n, 1);
    drop(procs);
    assert!(matches!(queued.join(), Err(JoinError::Cancelled(_))));
    assert!(sys::has_no_child());
    // The launcher's own thread ends a worker that comes after all.
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    drop(release);
    while threads() >= before || !sys::has_no_child() {
        std::thread::yield_now();
    }
}

/// A worker whose end is seen only when this many were killed.
struct EndsWith {
    inner: Box<dyn Launched>,
    count: u32,
    killed: Arc<AtomicU32>,
    ended: Arc<AtomicU32>,
}

impl Launched for EndsWith {
    fn id(&self) -> u32 {
        self.inner.id()
    }
    fn channel(&self) -> BorrowedFd<'_> {
        self.inner.channel()
    }
    fn exit(&self) -> Option<BorrowedFd<'_>> {
        self.inner.exit()
    }
    fn confirm(&mut self) -> io::Result<()> {
        self.inner.confirm()
    }
    fn has_ring(&self) -> bool {
        self.inner.has_ring()
    }
    fn has_setup(&self) -> bool {
        self.inner.has_setup()
    }
    fn kill(&mut self) -> io::Result<()> {
        self.killed.fetch_add(1, Ordering::Relaxed);
        self.inner.kill()
    }
    fn wait(&mut self) -> io::Result<Option<Ended>> {
        if self.killed.load(Ordering::Relaxed) < self.count {
            return Ok(None);
        }
        let ended = self.inner.wait()?;
        self.ended.fetch_add(u32::from(ended.is_some()), Ordering::Relaxed);
        Ok(ended)
    }
}

pub(crate) fn children_of_failed_starts_end_together() {
    struct StartsThree([Arc<AtomicU32>; 2], u32);
    impl Launcher for StartsThree {
        fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
            if self.1 == 3 {
                return Err(io::Error::other("there is no fourth oven"));
            }
            self.1 += 1;
            let [killed, ended] = self.0.clone();
            Ok(Box::new(EndsWith { inner: launcher().start(command)?, count: 3, killed, ended }))
        }
    }
    let [killed, ended] = [(); 2].map(|()| Arc::new(AtomicU32::new(0)));
    let launcher = StartsThree([killed, ended.clone()], 0);
    let error = ProcessPool::builder().workers(4).launcher(launcher).build().unwrap_err();
    assert!(error.to_string().contains("no fourth oven"), "{error}");
    assert_eq!(ended.load(Ordering::Relaxed), 3, "none was given up while it waited for the next");
    assert!(sys::has_no_child());
}

/// The method of a worker that panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Id,
    Channel,
    Exit,
    Confirm,
    Connect,
    Advice,
    Command,
    StartLimit,
    Grace,
    Output,
    HasRing,
    HasSetup,
    DeliversAtOnce,
    Kill,
    Wait,
    Drop,
}

const METHODS: [Method; 16] = [
    Method::Id,
    Method::Channel,
    Method::Exit,
    Method::Confirm,
    Method::Connect,
    Method::Advice,
    Method::Command,
    Method::StartLimit,
    Method::Grace,
    Method::Output,
    Method::HasRing,
    Method::HasSetup,
    Method::DeliversAtOnce,
    Method::Kill,
    Method::Wait,
    Method::Drop,
];

/// A worker whose method panics, from a chosen call of it on.
struct Panicking {
    inner: Box<dyn Launched>,
    method: Method,
    calls: AtomicU32,
    good: u32,
}

impl Panicking {
    fn at(&self, method: Method) {
        if method == self.method && self.calls.fetch_add(1, Ordering::Relaxed) >= self.good {
            panic!("a launcher's {method:?}");
        }
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        self.at(Method::Drop);
    }
}

impl Launched for Panicking {
    fn id(&self) -> u32 {
        self.at(Method::Id);
        self.inner.id()
    }
    fn channel(&self) -> BorrowedFd<'_> {
        self.at(Method::Channel);
        self.inner.channel()
    }
    fn exit(&self) -> Option<BorrowedFd<'_>> {
        self.at(Method::Exit);
        self.inner.exit()
    }
    fn confirm(&mut self) -> io::Result<()> {
        self.at(Method::Confirm);
        self.inner.confirm()
    }
    fn connect(&mut self) -> io::Result<bool> {
        self.at(Method::Connect);
        self.inner.connect()
    }
    fn advice(&self, lost: &Lost) -> Option<String> {
        self.at(Method::Advice);
        self.inner.advice(lost)
    }
    fn command(&self) -> Option<&str> {
        self.at(Method::Command);
        self.inner.command()
    }
    fn start_limit(&self) -> Option<Duration> {
        self.at(Method::StartLimit);
        self.inner.start_limit()
    }
    fn grace(&self) -> Option<Duration> {
        self.at(Method::Grace);
        self.inner.grace()
    }
    fn output(&mut self) -> Option<[OwnedFd; 2]> {
        self.at(Method::Output);
        self.inner.output()
    }
    fn has_ring(&self) -> bool {
        self.at(Method::HasRing);
        self.inner.has_ring()
    }
    fn has_setup(&self) -> bool {
        self.at(Method::HasSetup);
        self.inner.has_setup()
    }
    fn delivers_at_once(&self) -> bool {
        self.at(Method::DeliversAtOnce);
        self.inner.delivers_at_once()
    }
    fn kill(&mut self) -> io::Result<()> {
        self.inner.kill()?;
        self.at(Method::Kill);
        Ok(())
    }
    fn wait(&mut self) -> io::Result<Option<Ended>> {
        let ended = self.inner.wait()?;
        self.at(Method::Wait);
        Ok(ended)
    }
}

/// A launcher that makes the workers' methods panic.
struct Panics(Method, u32);

impl Launcher for Panics {
    fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
        let Self(method, good) = *self;
        let inner = launcher().start(command)?;
        Ok(Box::new(Panicking { inner, method, calls: AtomicU32::new(0), good }))
    }
}

/// Makes calls with workers whose method panics after it was called `good` times. Each call completes, and
/// the pool ends.
fn calls_complete(method: Method, good: u32) {
    let built = ProcessPool::builder().workers(2).launcher(Panics(method, good)).build();
    let procs = match built {
        Ok(procs) => procs,
        Err(error) => {
            return assert!(error.to_string().contains(&format!("a launcher's {method:?}")), "{error}");
        }
    };
    let handles: Vec<_> = (0..4).map(|n| procs.spawn(|n: u32| n, n)).collect();
    let endless = |(): ()| -> u32 {
        loop {
            std::thread::park();
        }
    };
    let killed = procs.call(endless, ()).timeout(LIMIT).spawn();
    for (n, handle) in (0..).zip(handles) {
        match handle.join() {
            Ok(got) => assert_eq!(got, n),
            Err(JoinError::Lost(Lost::Supervisor(why) | Lost::NotStarted(why), _)) => {
                assert!(why.contains("a launcher's"), "{why}");
            }
            Err(error) => panic!("{method:?} after {good}: {error}"),
        }
    }
    let error = killed.join().unwrap_err();
    assert!(matches!(error, JoinError::Lost(..)), "{method:?} after {good}: {error}");
    procs.shutdown();
}

pub(crate) fn a_worker_whose_methods_panic_is_an_error_of_its_calls() {
    for method in METHODS {
        for good in [0, 1, 5, 20] {
            calls_complete(method, good);
        }
    }
    // A worker whose `wait` panics is killed, and nobody may have reaped it.
    sys::reap_all();
}

/// The children of this process.
fn children() -> impl Iterator<Item = u32> {
    let parent = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    ids.filter(move |pid| parent(pid) == Some(std::process::id()))
}

pub(crate) fn a_zygote_that_is_set_up_slowly_delays_no_limit_and_no_end() {
    let gate = Arc::new(Gate::new());
    let builder = || ProcessPool::builder().workers(2).launcher(launcher()).start_method(Start::Zygote);
    // Each zygote waits at the gate; the first one is let through.
    let first = gate.clone();
    let opener = std::thread::spawn(move || drop(first.arrival()));
    let procs = builder().initializer(|port: u16| _ = wait_at(port), gate.port()).build().unwrap();
    opener.join().unwrap();
    let workers = procs.worker_ids();
    sys::kill(children().find(|child| !workers.contains(child)).unwrap());
    sys::kill(workers[0]);
    let _second_zygote = gate.arrival();
    let limited = procs.call(wait_at, gate.port()).timeout(LIMIT).spawn();
    let _stuck = gate.arrival();
    assert!(matches!(limited.join(), Err(JoinError::Lost(Lost::TimedOut { limit: LIMIT }, _))));
    drop(procs);
    assert!(sys::has_no_child());
}

pub(crate) fn a_hanging_initializer_does_not_hold_up_a_shutdown() {
    let gate = Gate::new();
    let hangs = |port: u16| _ = wait_at(port);
    let builder = || ProcessPool::builder().workers(1).launcher(launcher()).initializer(hangs, gate.port());
    let procs = builder().build().unwrap();
    let _waiting = gate.arrival();
    procs.shutdown();
    assert!(sys::has_no_child(), "nobody waits for a worker that is not needed");
    let procs = builder().setup_timeout(LIMIT).build().unwrap();
    let call = procs.spawn(|n: u32| n, 1);
    procs.shutdown();
    let why = not_started(call.join());
    assert!(why.contains("initializer"), "{why}");
    assert!(sys::has_no_child());
}
