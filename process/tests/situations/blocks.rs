//! Large values that are mapped and not copied: read in place, kept, passed on, left behind by workers that
//! died.

use crate::{
    gate::{Gate, wait_at},
    path::pool,
    sys,
};
use brigade_process::{Block, BlockMut, JoinError, Lost};
use std::{cell::RefCell, fs, process};

fn numbers(count: usize) -> Block<f64> {
    let mut block = BlockMut::zeroed(count).unwrap();
    for (n, place) in block.iter_mut().enumerate() {
        *place = n as f64;
    }
    block.freeze()
}

fn sum(block: Block<f64>) -> f64 {
    block.iter().sum()
}

const COUNT: usize = 100_000;
const SUM: f64 = 4_999_950_000.0;

pub(crate) fn blocks_are_read_in_place() {
    let procs = pool(2);
    let block = numbers(COUNT);
    let handles: Vec<_> = (0..20).map(|_| procs.spawn(sum, block.clone())).collect();
    assert!(handles.into_iter().all(|handle| handle.join().unwrap() == SUM));
    let made = procs.spawn(numbers, COUNT).join().unwrap();
    assert!(made[..] == block[..]);
    let pair = procs.spawn(|(a, b): (Block<f64>, Block<f64>)| (b, a.len()), (block.clone(), numbers(3)));
    let (three, length) = pair.join().unwrap();
    assert_eq!((&three[..], length), (&[0.0, 1.0, 2.0][..], COUNT));
    let again = procs.spawn(sum, made).join().unwrap();
    assert_eq!(again, SUM, "what came from a worker can be sent to another");
}

pub(crate) fn memory_is_used_again_only_when_nobody_reads_it() {
    let procs = pool(2);
    let mut kept = Vec::new();
    for round in 0..100_u32 {
        let block = Block::copy_of(&vec![round; COUNT]).unwrap();
        let first = procs.spawn(|block: Block<u32>| block.iter().all(|&n| n == block[0]), block.clone());
        let result = procs.spawn(|n: u32| Block::copy_of(&vec![n; COUNT]).unwrap(), round).join().unwrap();
        assert!(first.join().unwrap());
        if round % 10 == 0 {
            kept.push((round, block, result));
        }
    }
    for (round, sent, received) in kept {
        assert!(sent.iter().chain(received.iter()).all(|&n| n == round));
    }
}

thread_local! {
    static KEPT: RefCell<Vec<Block<u32>>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn a_worker_may_keep_more_blocks_than_there_are_leases() {
    let procs = pool(1);
    let keep = |block: Block<u32>| KEPT.with_borrow_mut(|kept| kept.push(block));
    for round in 0..100_u32 {
        procs.spawn(keep, Block::copy_of(&vec![round; COUNT]).unwrap()).join().unwrap();
    }
    let check = |(): ()| {
        KEPT.with_borrow(|kept| (0..).zip(kept).all(|(round, block)| block.iter().all(|&n| n == round)))
    };
    assert!(procs.spawn(check, ()).join().unwrap());
    let held: Vec<_> = (0..100_u32)
        .map(|n| procs.spawn(|n: u32| Block::copy_of(&vec![n; COUNT]).unwrap(), n).join().unwrap())
        .collect();
    assert!((0..).zip(held).all(|(round, block)| block.iter().all(|&n| n == round)));
}

pub(crate) fn blocks_in_maps_and_small_ones_travel_with_the_message() {
    let procs = pool(2);
    let sums = procs.map_chunked(sum, (0..10).map(|_| numbers(COUNT)), 5);
    assert!(sums.into_iter().all(|sum| sum.unwrap() == SUM));
    assert_eq!(procs.spawn(sum, numbers(3)).join().unwrap(), 3.0);
    assert_eq!(procs.spawn(numbers, 0).join().unwrap().len(), 0);
}

pub(crate) fn the_dead_keep_no_block() {
    let procs = pool(2);
    for _ in 0..20 {
        let dies = |block: Block<f64>| -> f64 {
            KEPT.with_borrow_mut(Vec::clear);
            if block[1] == 1.0 { process::abort() } else { 0.0 }
        };
        let lost = procs.spawn(dies, numbers(COUNT)).join().unwrap_err();
        assert!(matches!(lost, JoinError::Lost(Lost::Killed { signal: 6 }, _)), "{lost}");
        assert_eq!(procs.spawn(sum, numbers(COUNT)).join().unwrap(), SUM);
    }
}

pub(crate) fn a_block_outlives_its_pool_and_its_worker() {
    let before = fs::read_dir("/proc/self/fd").unwrap().count();
    let procs = pool(1);
    let mine = numbers(COUNT);
    let made = procs.spawn(numbers, COUNT).join().unwrap();
    let unread = procs.spawn(numbers, COUNT);
    let gate = Gate::new();
    let running = procs.spawn(|(_, port): (Block<f64>, u16)| wait_at(port), (mine.clone(), gate.port()));
    let _waiting = gate.arrival();
    drop(procs);
    assert!(matches!(running.join(), Err(JoinError::Cancelled(_))));
    assert!(made.iter().chain(mine.iter()).sum::<f64>() == 2.0 * SUM);
    drop((made, mine, unread, gate, _waiting));
    assert!(sys::has_no_child());
    assert_eq!(fs::read_dir("/proc/self/fd").unwrap().count(), before);
}
