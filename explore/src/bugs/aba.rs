//! A compare-and-swap succeeds although the stack has changed and changed back (the ABA problem).

use super::shim::{AtomicUsize, SeqCst, thread};
use std::sync::Arc;

/// The end of a list. Nodes have smaller numbers.
const NIL: usize = 15;
/// The head is a version, times this, plus a node.
const VERSION: usize = NIL + 1;

/// A lock-free stack of three nodes, 0 on top.
struct Stack {
    head: AtomicUsize,
    next: [AtomicUsize; 3],
    /// Each push adds this to the head.
    step: usize,
}

impl Stack {
    fn pop(&self) -> Option<usize> {
        loop {
            let head = self.head.load(SeqCst);
            let (version, node) = (head / VERSION, head % VERSION);
            let next = self.next.get(node)?.load(SeqCst);
            // Here others may pop this node and the next, and push this one again. Without a version the
            // head is the same as before, and `next`, which has an owner by now, becomes the head.
            let popped = version * VERSION + next;
            if self.head.compare_exchange(head, popped, SeqCst, SeqCst).is_ok() {
                return Some(node);
            }
        }
    }

    fn push(&self, node: usize) {
        loop {
            let head = self.head.load(SeqCst);
            self.next[node].store(head % VERSION, SeqCst);
            let pushed = head / VERSION * VERSION + node + self.step;
            if self.head.compare_exchange(head, pushed, SeqCst, SeqCst).is_ok() {
                return;
            }
        }
    }
}

fn run(step: usize) {
    let next = [1, 2, NIL].map(AtomicUsize::new);
    let stack = Arc::new(Stack { head: AtomicUsize::new(0), next, step });
    let theirs = stack.clone();
    let other = thread::spawn(move || {
        let first = theirs.pop();
        let second = theirs.pop();
        first.into_iter().for_each(|node| theirs.push(node));
        second
    });
    let mut owned: Vec<usize> = stack.pop().into_iter().collect();
    owned.extend(other.join().expect("no thread panics"));
    owned.extend((0..3).map_while(|_| stack.pop()));
    owned.sort_unstable();
    assert_eq!(owned, [0, 1, 2], "a node has two owners, or none");
}

pub(super) fn bad() {
    // Wrong: nothing tells a head from an earlier one with the same node.
    run(0);
}

pub(super) fn right() {
    run(VERSION);
}
