//! Blocks between processes that may not look at one another's descriptors, since one of them has changed
//! its user or is not dumpable; and blocks where one of them can have no more descriptors.

use crate::{
    gate::{Gate, wait_at},
    leashes::sys as users,
    path::{Path, launcher},
    sys::DescriptorLimit,
};
use brigade_process::{Block, BlockMut, JoinError, Lost, ProcessPool, Start};
use std::{
    env, fs,
    process::{self, Command, Stdio},
    sync::Mutex,
};

const CASE: &str = "CHANGE_CREDENTIALS";

/// Longer than the values that travel with the message.
const COUNT: usize = 10_000;

fn block(n: u64) -> Block<u64> {
    Block::copy_of(&vec![n; COUNT]).unwrap()
}

fn is(block: &Block<u64>, n: u64) -> bool {
    block.len() == COUNT && block.iter().all(|&found| found == n)
}

/// Sends blocks to workers and back, alone and with others, many at once, and checks that their memory is
/// used again.
fn blocks_travel(procs: &ProcessPool) {
    for round in 0..10 {
        let sum = procs.spawn(|block: Block<u64>| block.iter().sum::<u64>(), block(round));
        assert_eq!(sum.join().unwrap(), round * COUNT as u64);
        assert!(is(&procs.spawn(block, round).join().unwrap(), round));
    }
    let swap = |(a, b, text): (Block<u64>, Block<u64>, String)| (text, b, a);
    let handles: Vec<_> = (0..50)
        .map(|n| procs.spawn(swap, (block(n), block(n + 1), "soup".repeat(n as usize * 200))))
        .collect();
    for (n, handle) in (0..).zip(handles) {
        let (text, b, a) = handle.join().unwrap();
        assert!(is(&a, n) && is(&b, n + 1) && text.len() == 800 * n as usize);
    }
    let many = |blocks: Vec<Block<u64>>| blocks.into_iter().rev().collect::<Vec<_>>();
    let back = procs.spawn(many, (0..40).map(block).collect::<Vec<_>>()).join().unwrap();
    assert!((0..40).rev().zip(&back).all(|(n, block)| is(block, n)));
}

/// In a process that was asked to: changes its credentials, and sends blocks all the same.
pub(crate) fn change_credentials_if_asked() {
    let Ok(case) = env::var(CASE) else { return };
    for start in [Start::Exec, Start::Zygote] {
        let builder = || ProcessPool::builder().workers(2).launcher(launcher()).start_method(start);
        match &case[..] {
            "the pool is not dumpable" => {
                users::forbid_dumps();
                blocks_travel(&builder().build().unwrap());
            }
            "workers change in their initializer" => {
                blocks_travel(&builder().initializer(|(): ()| users::become_nobody(), ()).build().unwrap());
            }
            "workers change in a call" => {
                let procs = builder().build().unwrap();
                blocks_travel(&procs);
                let gate = Gate::new();
                let changed: Vec<_> = (0..2).map(|_| procs.spawn(change_at, gate.port())).collect();
                drop([gate.arrival(), gate.arrival()]);
                changed.into_iter().for_each(|handle| handle.join().unwrap());
                blocks_travel(&procs);
            }
            "workers change before a call that was sent already" => {
                let procs = builder().workers(1).build().unwrap();
                let changed = procs.spawn(|(): ()| users::become_nobody(), ());
                let handles: Vec<_> =
                    (0..20).map(|n| procs.spawn(|block: Block<u64>| block, block(n))).collect();
                changed.join().unwrap();
                assert!((0..20).zip(handles).all(|(n, handle)| is(&handle.join().unwrap(), n)));
            }
            "the pool changes before it is built" => {
                if start == Start::Exec {
                    users::become_nobody();
                }
                blocks_travel(&builder().build().unwrap());
            }
            // This case comes last, since there is no way back.
            _ => {
                let procs = builder().build().unwrap();
                blocks_travel(&procs);
                let zygote = ProcessPool::builder().workers(2).start_method(Start::Zygote).build().unwrap();
                users::become_nobody();
                blocks_travel(&procs);
                blocks_travel(&zygote);
                break;
            }
        }
    }
    process::exit(0);
}

fn change_at(port: u16) {
    wait_at(port);
    users::become_nobody();
}

fn changes(case: &str) {
    if Path::now() == Path::Socket {
        // There the blocks travel with the message.
        return;
    }
    let status = Command::new(env::current_exe().unwrap()).env(CASE, case).stdin(Stdio::null()).status();
    assert!(status.unwrap().success(), "{case}");
}

pub(crate) fn blocks_travel_whoever_has_changed_its_user() {
    changes("the pool is not dumpable");
    if !users::is_root() {
        return println!("skipped: only root may change its user");
    }
    changes("workers change in their initializer");
    changes("workers change in a call");
    changes("workers change before a call that was sent already");
    changes("the pool changes before it is built");
    changes("the pool changes later");
}

/// The reason for which a call with a block was lost.
fn loss<T>(result: Result<T, JoinError>) -> String {
    match result.map(drop) {
        Err(JoinError::Lost(Lost::Codec(why), _)) => why.into(),
        other => panic!("{other:?}"),
    }
}

static LIMIT: Mutex<Option<DescriptorLimit>> = Mutex::new(None);

/// More than there are leases.
const TIMES: u64 = 40;

pub(crate) fn a_worker_at_its_limit_of_descriptors_says_so() {
    if Path::now() == Path::Socket {
        return;
    }
    let procs = ProcessPool::new(1).unwrap();
    procs.spawn(|(): ()| *LIMIT.lock().unwrap() = Some(DescriptorLimit::lower()), ()).join().unwrap();
    for n in 0..TIMES {
        let why = loss(procs.spawn(|block: Block<u64>| block[0], block(n)).join());
        assert!(why.contains("the argument") && why.contains("Too many open files"), "{why}");
        let made = procs.spawn(|n| Block::copy_of(&vec![n; COUNT]).map_err(|error| error.to_string()), n);
        assert!(made.join().unwrap().unwrap_err().contains("Too many open files"));
    }
    procs.spawn(|(): ()| *LIMIT.lock().unwrap() = None, ()).join().unwrap();
    blocks_travel(&procs);
    assert_eq!(procs.statistics().deaths, 0);
}

pub(crate) fn a_pool_at_its_limit_of_descriptors_says_so() {
    if Path::now() == Path::Socket {
        return;
    }
    let before = fs::read_dir("/proc/self/fd").unwrap().count();
    let procs = ProcessPool::new(1).unwrap();
    for forbids in [false, true] {
        if forbids {
            // From now on the pool cannot open them by their names.
            procs.spawn(|(): ()| users::forbid_dumps(), ()).join().unwrap();
        }
        for n in 0..TIMES {
            let limit = DescriptorLimit::lower();
            let why = loss(procs.spawn(block, n).join());
            drop(limit);
            // A process that may open anything is told why that failed.
            let is_told = why.contains("Too many open files") || forbids && why.contains("did not arrive");
            assert!(why.contains("the result") && is_told, "{why}");
        }
        blocks_travel(&procs);
    }
    assert_eq!(procs.statistics().deaths, 0);
    // The blocks that were kept for others go with the pool.
    procs.shutdown();
    assert_eq!(fs::read_dir("/proc/self/fd").unwrap().count(), before);
}

pub(crate) fn blocks_lent_for_a_call_that_is_taken_back_are_free_again() {
    let procs = ProcessPool::builder().workers(1).launcher(launcher()).build().unwrap();
    let gate = Gate::new();
    let running = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    for n in 0..TIMES {
        let handle = procs.spawn(|block: Block<u64>| block[0], block(n));
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled(_))));
        // Nobody has the block any more, so the next block gets its memory.
        assert!(BlockMut::<u64>::recycled(COUNT).unwrap().iter().all(|&found| found == n));
    }
    drop(waiting);
    running.join().unwrap();
    blocks_travel(&procs);
}
