//! Work by `join`: each program is written once and runs on any pool.
//!
//! The programs are generic over [`Join`], so that both sides compile the same code around a `join` of their
//! own. chili's `join` needs a scope, so its versions stand beside the generic ones.

/// A way to do two pieces of work, perhaps at the same time.
pub(crate) trait Join: 'static {
    /// Does both and returns both results.
    fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B);

    /// Fills each answer by a job of its own, spawned in a scope.
    fn spawn_each(answers: &mut [u64], f: impl Fn(usize) -> u64 + Sync);
}

/// One after the other, on the calling thread.
pub(crate) struct SequentialJoin;
/// The same, the second one first: as `join_lazy` and chili go through a tree.
pub(crate) struct RightFirstJoin;
/// On Brigade's pool, from inside a worker.
pub(crate) struct BrigadeJoin;
/// On rayon, from inside a worker.
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

impl Join for RightFirstJoin {
    #[inline(always)]
    fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
        let b = b();
        (a(), b)
    }

    fn spawn_each(answers: &mut [u64], f: impl Fn(usize) -> u64 + Sync) {
        SequentialJoin::spawn_each(answers, f);
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

/// How many times [`fib`] calls `join` for 30.
pub(crate) const FIB_30_JOINS: u64 = 1_346_268;

/// Computes a Fibonacci number, by almost nothing but joins.
pub(crate) fn fib<J: Join>(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = J::join(|| fib::<J>(n - 1), || fib::<J>(n - 2));
    a + b
}

/// Like [`fib`], on chili.
pub(crate) fn fib_chili(scope: &mut chili::Scope<'_>, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = scope.join(|scope| fib_chili(scope, n - 1), |scope| fib_chili(scope, n - 2));
    a + b
}

/// A balanced binary tree on the heap.
pub(crate) struct Tree {
    pub(super) value: u64,
    pub(super) left: Option<Box<Tree>>,
    pub(super) right: Option<Box<Tree>>,
}

impl Tree {
    /// A tree of `2^layers - 1` nodes, each holding 1.
    pub(crate) fn new(layers: u32) -> Self {
        let half = || (layers > 1).then(|| Box::new(Self::new(layers - 1)));
        Self { value: 1, left: half(), right: half() }
    }

    /// The sum over all nodes, with a join and a cache miss for each.
    pub(crate) fn sum<J: Join>(&self) -> u64 {
        // Each closure captures the tree and nothing else, as in chili's version.
        let (left, right) = J::join(
            || self.left.as_ref().map_or(0, |tree| tree.sum::<J>()),
            || self.right.as_ref().map_or(0, |tree| tree.sum::<J>()),
        );
        self.value + left + right
    }

    /// Like [`sum`](Self::sum), on chili.
    pub(crate) fn sum_chili(&self, scope: &mut chili::Scope<'_>) -> u64 {
        let (left, right) = scope.join(
            |scope| self.left.as_ref().map_or(0, |tree| tree.sum_chili(scope)),
            |scope| self.right.as_ref().map_or(0, |tree| tree.sum_chili(scope)),
        );
        self.value + left + right
    }
}

/// The function that `map_sum_1mi` maps: a few instructions for each element, without a formula that an
/// optimiser could find.
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
        assert_eq!(Tree::new(10).sum::<RightFirstJoin>(), 1023);
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
