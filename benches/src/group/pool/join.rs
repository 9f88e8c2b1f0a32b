//! Work by `join`: one program, run by whichever pool is asked.
//!
//! The programs are generic over [`Join`], so that both sides compile the same code around a `join` of their own. chili's
//! `join` needs a scope at hand; its versions stand beside.

/// How two pieces of work are done, perhaps at the same time.
pub(crate) trait Join: 'static {
    /// Does both, gives both results.
    fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B);

    /// Fills each answer by a job of its own, spawned in a scope.
    fn spawn_each(answers: &mut [u64], f: impl Fn(usize) -> u64 + Sync);
}

/// One after the other.
pub(crate) struct SequentialJoin;
/// By brigade's pool, from inside a worker.
pub(crate) struct BrigadeJoin;
/// By rayon, from inside a worker.
pub(crate) struct RayonJoin;

impl Join for SequentialJoin {
    #[inline(always)]
    fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
        (a(), b())
    }

    fn spawn_each(answers: &mut [u64], f: impl Fn(usize) -> u64 + Sync) {
        answers.iter_mut().enumerate().for_each(|(index, answer)| *answer = f(index));
    }
}

impl Join for BrigadeJoin {
    #[inline(always)]
    fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
        brigade_pool::join(a, b)
    }

    fn spawn_each(answers: &mut [u64], f: impl Fn(usize) -> u64 + Sync) {
        let f = &f;
        brigade_pool::scope(|scope| {
            for (index, answer) in answers.iter_mut().enumerate() {
                scope.spawn(move |_| *answer = f(index));
            }
        });
    }
}

impl Join for RayonJoin {
    #[inline(always)]
    fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
        rayon::join(a, b)
    }

    fn spawn_each(answers: &mut [u64], f: impl Fn(usize) -> u64 + Sync) {
        let f = &f;
        rayon::scope(|scope| {
            for (index, answer) in answers.iter_mut().enumerate() {
                scope.spawn(move |_| *answer = f(index));
            }
        });
    }
}

/// Calls of `join` that [`fib`] makes for 30.
pub(crate) const FIB_30_JOINS: u64 = 1_346_268;

/// The Fibonacci number: almost nothing but joins.
pub(crate) fn fib<J: Join>(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = J::join(|| fib::<J>(n - 1), || fib::<J>(n - 2));
    a + b
}

/// [`fib`] by chili.
pub(crate) fn fib_chili(scope: &mut chili::Scope<'_>, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = scope.join(|scope| fib_chili(scope, n - 1), |scope| fib_chili(scope, n - 2));
    a + b
}

/// A balanced binary tree on the heap.
pub(crate) struct Tree {
    value: u64,
    left: Option<Box<Tree>>,
    right: Option<Box<Tree>>,
}

impl Tree {
    /// A tree of `2^layers - 1` nodes, each holding 1.
    pub(crate) fn new(layers: u32) -> Self {
        let half = || (layers > 1).then(|| Box::new(Self::new(layers - 1)));
        Self { value: 1, left: half(), right: half() }
    }

    /// The sum over all nodes: a join and a cache miss each.
    pub(crate) fn sum<J: Join>(&self) -> u64 {
        // Each half captures the tree and nothing else, as chili's version does.
        let (left, right) = J::join(
            || self.left.as_ref().map_or(0, |tree| tree.sum::<J>()),
            || self.right.as_ref().map_or(0, |tree| tree.sum::<J>()),
        );
        self.value + left + right
    }

    /// [`sum`](Self::sum) by chili.
    pub(crate) fn sum_chili(&self, scope: &mut chili::Scope<'_>) -> u64 {
        let (left, right) = scope.join(
            |scope| self.left.as_ref().map_or(0, |tree| tree.sum_chili(scope)),
            |scope| self.right.as_ref().map_or(0, |tree| tree.sum_chili(scope)),
        );
        self.value + left + right
    }
}

/// The map of `map_sum_1mi`: a few instructions an element, with nothing for the optimiser to find a formula in.
#[inline]
pub(crate) fn scramble(value: u32) -> u64 {
    let mixed = value.wrapping_mul(0x9E37_79B9).rotate_left(13) ^ 0x55AA_55AA;
    u64::from(mixed)
}

/// Splits a slice in halves down to pieces of at most `grain`, and calls `f` on each piece with its offset.
pub(crate) fn for_pieces<J: Join, T: Send>(
    items: &mut [T],
    offset: usize,
    grain: usize,
    f: &(impl Fn(usize, &mut [T]) + Sync),
) {
    if items.len() <= grain.max(1) {
        return f(offset, items);
    }
    let middle = items.len() / 2;
    let (left, right) = items.split_at_mut(middle);
    J::join(
        || for_pieces::<J, T>(left, offset, grain, f),
        || for_pieces::<J, T>(right, offset + middle, grain, f),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fib_joins_as_often_as_is_said() {
        fn joins(n: u64) -> u64 {
            if n < 2 { 0 } else { 1 + joins(n - 1) + joins(n - 2) }
        }
        assert_eq!(joins(30), FIB_30_JOINS);
        assert_eq!(fib::<SequentialJoin>(10), 55);
    }

    #[test]
    fn a_tree_of_ten_layers_has_1023_nodes() {
        assert_eq!(Tree::new(10).sum::<SequentialJoin>(), 1023);
    }

    #[test]
    fn pieces_cover_the_slice_once() {
        let mut items = [0; 100];
        for_pieces::<SequentialJoin, _>(&mut items, 0, 7, &|offset, piece| {
            for (index, item) in piece.iter_mut().enumerate() {
                *item += offset + index;
            }
        });
        assert!(items.iter().enumerate().all(|(index, item)| index == *item));
    }
}
