//! Blocks in processes that were forked: a child of the pool's process, a child of a worker, the workers of
//! a zygote.

use crate::{
    forks::sys::Way,
    gate::{Gate, wait_at},
    path::{Path, launcher, pool},
};
use brigade_process::{Block, BlockMut, ProcessPool, Start};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, OnceLock},
};

const COUNT: usize = 100_000;

fn block(n: u32) -> Block<u32> {
    Block::copy_of(&vec![n; COUNT]).unwrap()
}

fn is(block: &[u32], n: u32) -> bool {
    block.len() == COUNT && block.iter().all(|&found| found == n)
}

/// Whether `f` panics and says that a fork is the reason.
fn refuses<R>(f: impl FnOnce() -> R) -> bool {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let told = catch_unwind(AssertUnwindSafe(f)).map(drop);
    std::panic::set_hook(hook);
    let payload = told.expect_err("it does not refuse");
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .is_some_and(|text| text.contains("before a fork"))
}

/// Makes memory be kept for the next block, with its contents.
fn keep(n: u32) {
    drop(block(n));
}

pub(crate) fn a_forked_child_reads_blocks_that_its_parent_drops() {
    let _pool = pool(1);
    let gate = Gate::new();
    let before = block(5);
    let port = gate.port();
    let child = Way::Fork.beside_child(|| {
        wait_at(port);
        is(&before, 5) && is(&before.clone(), 5)
    });
    let waiting = gate.arrival();
    drop(before);
    let after: Vec<_> = (6..16).map(block).collect();
    drop(waiting);
    child.join();
    assert!((6..16).zip(&after).all(|(n, block)| is(block, n)));
    // Memory of a block that was made after the fork is kept again.
    drop(after);
    keep(17);
    assert!(is(&BlockMut::recycled(COUNT).unwrap(), 17));
}

pub(crate) fn a_block_that_is_written_refuses_in_a_forked_child() {
    let _pool = pool(1);
    for &way in Way::ALL {
        let mut making = BlockMut::<u32>::zeroed(COUNT).unwrap();
        making.fill(1);
        let mut making = Some(making);
        way.in_child(|| {
            let mut making = making.take().unwrap();
            refuses(|| making[0]) && refuses(|| making[0] = 2) && refuses(|| making.freeze())
        });
        let mut making = making.unwrap();
        assert!(is(&making, 1));
        making.fill(3);
        assert!(is(&making.freeze(), 3));
    }
}

pub(crate) fn a_block_refuses_where_its_maker_cannot_notice_the_fork() {
    let _pool = pool(1);
    let block = block(5);
    Way::Fork.in_child(|| is(&block, 5));
    for way in Way::ALL.iter().filter(|way| !matches!(way, Way::Fork)) {
        way.in_child(|| {
            let refused = refuses(|| block[0]);
            // A child of the child is no nearer to the maker.
            Way::Fork.in_child(|| refuses(|| block[0]));
            refused
        });
    }
    // A process that has inherited the block by a noticed fork may pass it on.
    Way::Fork.in_child(|| {
        Way::ALL.iter().for_each(|way| way.in_child(|| is(&block, 5)));
        true
    });
    assert!(is(&block, 5));
}

pub(crate) fn a_forked_child_uses_no_memory_of_its_parents() {
    let _pool = pool(1);
    for &way in Way::ALL {
        keep(9);
        way.in_child(|| {
            let mut mine = BlockMut::recycled(COUNT).unwrap();
            let fresh = is(&mine, 0);
            mine.fill(2);
            let mine = mine.freeze();
            drop(mine.clone());
            keep(3);
            fresh && is(&mine, 2)
        });
        assert!(is(&BlockMut::recycled(COUNT).unwrap(), 9));
    }
}

static KEPT: Mutex<Vec<Block<u32>>> = Mutex::new(Vec::new());

pub(crate) fn a_child_of_a_worker_does_not_let_the_workers_block_go() {
    let procs = pool(1);
    let forks = |(block, received): (Block<u32>, bool)| {
        for &way in Way::ALL {
            let copy = block.clone();
            let mut block = Some(block.clone());
            way.in_child(|| {
                let block = block.take().unwrap();
                // A block that has travelled whole is the worker's own.
                let is_right = match way {
                    Way::Fork if !received => is(&block, 5),
                    _ => refuses(|| block[0]),
                };
                drop((block, copy));
                KEPT.lock().unwrap().clear();
                is_right
            });
        }
        KEPT.lock().unwrap().push(block);
    };
    let sent = block(5);
    procs.spawn(forks, (sent.clone(), Path::now() == Path::Ring)).join().unwrap();
    drop(sent);
    // None of these may be written into the memory that the worker reads.
    let others: Vec<_> = (0..4).map(|_| block(6)).collect();
    let check = |(): ()| KEPT.lock().unwrap().iter().all(|block| is(block, 5));
    assert!(procs.spawn(check, ()).join().unwrap());
    drop(others);
}

static RECIPES: OnceLock<Block<u32>> = OnceLock::new();
static NOTES: Mutex<Option<BlockMut<u32>>> = Mutex::new(None);
static MARGIN: Mutex<Option<&'static mut [u32]>> = Mutex::new(None);

fn prepare((): ()) {
    RECIPES.get_or_init(|| block(1));
    *NOTES.lock().unwrap() = Some(BlockMut::zeroed(COUNT).unwrap());
    let margin: &'static mut BlockMut<u32> = Box::leak(Box::new(BlockMut::zeroed(COUNT).unwrap()));
    *MARGIN.lock().unwrap() = Some(&mut margin[..]);
}

/// Writes its number everywhere, waits until the others have, and checks that it is still there.
fn write((n, port): (u32, u16)) -> bool {
    NOTES.lock().unwrap().as_mut().unwrap().fill(n);
    MARGIN.lock().unwrap().as_mut().unwrap().fill(n);
    let recipes = RECIPES.get().unwrap().clone();
    drop(block(n));
    wait_at(port);
    let notes = NOTES.lock().unwrap();
    is(notes.as_ref().unwrap(), n) && is(MARGIN.lock().unwrap().as_ref().unwrap(), n) && is(&recipes, 1)
}

pub(crate) fn workers_of_a_zygote_have_its_blocks_each_for_itself() {
    let builder = ProcessPool::builder().workers(3).launcher(launcher()).start_method(Start::Zygote);
    let procs = builder.initializer(prepare, ()).build().unwrap();
    for round in 0..3 {
        let gate = Gate::new();
        let handles: Vec<_> =
            (10 * round..10 * round + 3).map(|n| procs.spawn(write, (n, gate.port()))).collect();
        drop([gate.arrival(), gate.arrival(), gate.arrival()]);
        assert!(handles.into_iter().all(|handle| handle.join().unwrap()));
        let read = procs.spawn(|(): ()| RECIPES.get().unwrap().clone(), ()).join().unwrap();
        assert!(is(&read, 1));
        let written =
            procs.spawn(|(): ()| NOTES.lock().unwrap().take().unwrap().freeze(), ()).join().unwrap();
        assert!(written.iter().all(|&n| n == written[0] && n / 10 == round));
        // A worker whose notes are gone is replaced by one that has them.
        procs.worker_ids().into_iter().for_each(crate::sys::kill);
        while procs.spawn(|(): ()| NOTES.lock().unwrap().is_some(), ()).join().is_err() {}
    }
}
