//! Each system call on the way to a worker is refused in turn: the error says which operation failed and
//! why, or the pool does without; and either way nothing is left behind.
//!
//! The refusals are the kernel's (`sys.rs`): a filter on one thread, inherited by all that it starts, so
//! that the calls of a worker can be refused as well as those of the supervisor. The last tests take
//! descriptors away from the whole process.

use crate::{
    leftovers::Leftovers,
    path::{launcher, pool},
    sys::{self, Errno, Signal, Syscall},
};
use brigade_process::{Argv, Block, Command, JoinError, Launched, Launcher, Lost, ProcessPool, Start};
use std::{io, thread};

/// Starts workers, and has a system call refused from the start of worker number `from` on: on the
/// supervisor's thread, and in the workers and the zygote that begin after that.
struct Refusing {
    from: usize,
    started: usize,
    call: Syscall,
    error: Errno,
    launcher: Box<dyn Launcher>,
}

/// The ways to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Exec,
    Zygote,
    Captured,
    Command,
}

const WAYS: [Way; 4] = [Way::Exec, Way::Zygote, Way::Captured, Way::Command];

impl Launcher for Refusing {
    fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
        if self.started == self.from {
            sys::refuse(self.call, self.error);
        }
        self.started += 1;
        self.launcher.start(command)
    }
}

/// Builds a pool of two workers this way, with a system call refused from worker number `from` on.
fn build(way: Way, call: Syscall, error: Errno, from: usize) -> io::Result<ProcessPool> {
    let launcher: Box<dyn Launcher> = match way {
        Way::Command => Box::new(Argv::new(["env"])),
        _ => Box::new(launcher()),
    };
    let launcher = Refusing { from, started: 0, call, error, launcher };
    let builder = ProcessPool::builder().workers(2).launcher(launcher).current_dir("/");
    match way {
        Way::Zygote => builder.start_method(Start::Zygote).build(),
        Way::Captured => builder.captured(|_| ()).build(),
        Way::Exec | Way::Command => builder.build(),
    }
}

fn works(procs: &ProcessPool) {
    assert!((0..100).zip(procs.map(|n: u32| n, 0..100)).all(|(n, result)| result.unwrap() == n));
}

/// If a worker cannot make a file for a block, the block that has arrived is in memory of the worker's own.
fn blocks_work(procs: &ProcessPool) {
    let block = Block::copy_of(&[1_u64; 10_000]).unwrap();
    assert_eq!(procs.spawn(|block: Block<u64>| block.iter().sum::<u64>(), block).join().unwrap(), 10_000);
}

pub(crate) fn a_system_call_that_is_refused_is_named() {
    let cases = [
        (Syscall::Socketpair, Errno::TooManyFiles, "socketpair"),
        (Syscall::GetFlags, Errno::Denied, "fcntl"),
        (Syscall::Pipe, Errno::TooManyFiles, "pipe"),
        (Syscall::Duplicate, Errno::TooManyFiles, "fcntl(F_DUPFD_CLOEXEC)"),
        (Syscall::Fork, Errno::TryAgain, "fork"),
        (Syscall::Fork, Errno::NoMemory, "fork"),
        (Syscall::DieWithParent, Errno::Denied, "prctl(PR_SET_PDEATHSIG)"),
        (Syscall::OpenNull, Errno::TooManyFiles, "open(/dev/null)"),
        (Syscall::Dup2, Errno::TooManyFiles, "dup2"),
        (Syscall::Chdir, Errno::Denied, "chdir"),
        (Syscall::Exec, Errno::NoMemory, "exec"),
        (Syscall::Exec, Errno::Denied, "exec"),
    ];
    let before = Leftovers::now();
    for way in WAYS {
        for (call, error, operation) in cases {
            // The refusal begins with the first worker, or with the second, when the first is there and
            // must go. The zygote forks the second one.
            for from in if way == Way::Zygote { vec![0] } else { vec![0, 1] } {
                let told = build(way, call, error, from).expect_err("a worker cannot be started").to_string();
                let why = error.text();
                let is_named = told.contains(operation) && told.contains(&why);
                assert!(is_named, "{call:?} from {from} by {way:?}: {told}");
                before.wait_for();
            }
        }
    }
}

pub(crate) fn a_system_call_that_can_be_spared_is() {
    let cases = [
        (Syscall::Memfd, Errno::TooManyFiles),
        (Syscall::Memfd, Errno::Missing),
        (Syscall::Truncate, Errno::NoMemory),
        (Syscall::Seal, Errno::Denied),
        (Syscall::MapShared, Errno::NoMemory),
        (Syscall::Pidfd, Errno::TooManyFiles),
        (Syscall::Pidfd, Errno::Missing),
        (Syscall::CloseRange, Errno::Missing),
        (Syscall::Madvise, Errno::Missing),
    ];
    let before = Leftovers::now();
    for way in WAYS {
        for (call, error) in cases {
            for from in [0, 1] {
                let told = |told| panic!("{call:?} from {from} by {way:?}: {told}");
                let procs = build(way, call, error, from).unwrap_or_else(told);
                works(&procs);
                blocks_work(&procs);
                procs.worker_ids().into_iter().for_each(|pid| sys::send(pid, Signal::Kill));
                while procs.spawn(|n: u32| n, 1).join().is_err() {}
                procs.shutdown();
                before.wait_for();
            }
        }
    }
}

pub(crate) fn a_pool_whose_own_calls_are_refused_says_so() {
    let before = Leftovers::now();
    let cases = [
        (Syscall::Eventfd, Errno::TooManyFiles, "eventfd"),
        (Syscall::Thread, Errno::TryAgain, "thread"),
        (Syscall::Duplicate, Errno::TooManyFiles, "fcntl(F_DUPFD_CLOEXEC)"),
    ];
    for (call, error, operation) in cases {
        let refused = move || {
            sys::refuse(call, error);
            pool_error()
        };
        let told = thread::spawn(refused).join().unwrap();
        assert!(told.contains(operation) && told.contains(&error.text()), "{call:?}: {told}");
        before.wait_for();
    }
}

fn pool_error() -> String {
    let built = ProcessPool::builder().workers(2).launcher(launcher()).build();
    built.expect_err("the pool cannot be started").to_string()
}

/// Makes calls until one is told that no worker can be started, and returns the reason.
fn not_started(procs: &ProcessPool) -> String {
    loop {
        match procs.spawn(|n: u32| n, 1).join() {
            Err(JoinError::Lost(Lost::NotStarted(why), _)) => return why.into(),
            // A call that was given to one killed worker and then to the other is not tried a third time.
            Ok(_) | Err(JoinError::Lost(Lost::Killed { signal: 9 } | Lost::Quarantined { .. }, _)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) fn workers_that_cannot_be_replaced_are_told_to_the_calls() {
    let before = Leftovers::now();
    for way in WAYS {
        for (call, error, operation) in [
            (Syscall::Fork, Errno::TryAgain, "fork"),
            (Syscall::Socketpair, Errno::TooManyFiles, "socketpair"),
            (Syscall::Exec, Errno::NoMemory, "exec"),
            (Syscall::Duplicate, Errno::TooManyFiles, "fcntl(F_DUPFD_CLOEXEC)"),
        ] {
            // A zygote that is there was started before these were refused, and needs none of them but for
            // its own end.
            if way != Way::Zygote || matches!(call, Syscall::Socketpair) {
                cannot_be_replaced(way, call, error, operation);
                before.wait_for();
            }
        }
    }
}

pub(crate) fn a_pool_that_loses_its_rings_sends_blocks_whole() {
    let before = Leftovers::now();
    let procs = build(Way::Exec, Syscall::Memfd, Errno::TooManyFiles, 2).unwrap();
    for lost in procs.worker_ids() {
        blocks_work(&procs);
        sys::send(lost, Signal::Kill);
        while matches!(&procs.worker_ids()[..], ids if ids.len() < 2 || ids.contains(&lost)) {
            thread::yield_now();
        }
        (0..20).for_each(|_| blocks_work(&procs));
        works(&procs);
    }
    procs.shutdown();
    before.wait_for();
}

fn cannot_be_replaced(way: Way, call: Syscall, error: Errno, operation: &str) {
    let procs = build(way, call, error, 2).unwrap();
    let workers = procs.worker_ids();
    works(&procs);
    sys::send(workers[0], Signal::Kill);
    while procs.worker_ids().contains(&workers[0]) {
        thread::yield_now();
    }
    // The other worker goes on.
    works(&procs);
    sys::send(workers[1], Signal::Kill);
    let told = not_started(&procs);
    assert!(told.contains(operation) && told.contains(&error.text()), "{call:?} by {way:?}: {told}");
    procs.shutdown();
}

pub(crate) fn a_worker_that_gets_no_thread_does_without_or_is_told_to_the_calls() {
    let before = Leftovers::now();
    // The kernel has promised twice to end these with the pool.
    for way in [Way::Exec, Way::Zygote] {
        let procs = build(way, Syscall::Thread, Errno::TryAgain, 0).unwrap();
        works(&procs);
        procs.shutdown();
        before.wait_for();
    }
    let procs = build(Way::Command, Syscall::Thread, Errno::TryAgain, 0).unwrap();
    let told = not_started(&procs);
    assert!(told.contains("before it was ready"), "{told}");
    procs.shutdown();
    before.wait_for();
}

pub(crate) fn any_number_of_descriptors_is_enough_or_is_told() {
    let before = Leftovers::now();
    let first = sys::lowest_free_descriptor();
    let (mut refused, mut built) = (0, 0);
    for more in 0..40 {
        let result = {
            let _limit = sys::DescriptorLimit::lower(first + more);
            let built = ProcessPool::builder().workers(2).launcher(launcher()).build();
            // A pool that was built with less has enough for its calls, too.
            built.map(|procs| {
                works(&procs);
                procs.shutdown();
            })
        };
        match result {
            Ok(()) => built += 1,
            Err(error) => {
                refused += 1;
                let told = error.to_string();
                assert!(told.starts_with("starting "), "{more} descriptors: {told}");
            }
        }
        before.wait_for();
    }
    assert!(refused > 5 && built > 5, "{refused} pools were refused, {built} built");
}

pub(crate) fn a_pool_recovers_when_descriptors_are_free_again() {
    let before = Leftovers::now();
    let procs = pool(2);
    works(&procs);
    {
        let _limit = sys::DescriptorLimit::lower(sys::lowest_free_descriptor());
        // The descriptors that ended workers give back are too few for another one.
        procs.worker_ids().into_iter().for_each(|pid| sys::send(pid, Signal::Kill));
        let told = not_started(&procs);
        assert!(told.starts_with("starting "), "{told}");
    }
    while procs.spawn(|n: u32| n, 1).join().is_err() {}
    works(&procs);
    procs.shutdown();
    before.wait_for();
}
