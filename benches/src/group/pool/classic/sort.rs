//! Two sorts: quicksort, which moves elements to find its halves, and merge sort, which merges its halves.

use super::{Program, check_sum, numbers};
use crate::group::pool::join::Join;

/// A piece of this many elements or fewer is sorted by one thread.
const SEQUENTIAL_LENGTH: usize = 1024;

/// Hoare's quicksort. Its halves differ in size, so the work has to be balanced.
pub(crate) struct Quicksort {
    input: Vec<u32>,
}

impl Quicksort {
    pub(crate) fn new(count: usize) -> Self {
        Self { input: numbers(count).collect() }
    }
}

impl Program for Quicksort {
    fn run<J: Join>(&self) -> u64 {
        let mut values = self.input.clone();
        quicksort::<J>(&mut values);
        check_sum(values.into_iter().map(u64::from))
    }
}

fn quicksort<J: Join>(values: &mut [u32]) {
    if values.len() <= SEQUENTIAL_LENGTH {
        return values.sort_unstable();
    }
    let middle = partition(values);
    let (low, high) = values.split_at_mut(middle);
    J::join(|| quicksort::<J>(low), || quicksort::<J>(&mut high[1..]));
}

/// Moves the elements that are smaller than the median of three before it. Returns the place of the median.
fn partition(values: &mut [u32]) -> usize {
    let last = values.len() - 1;
    let mut three = [0, last / 2, last];
    three.sort_unstable_by_key(|place| values[*place]);
    values.swap(three[1], last);
    let pivot = values[last];
    let mut middle = 0;
    for place in 0..last {
        if values[place] < pivot {
            values.swap(place, middle);
            middle += 1;
        }
    }
    values.swap(middle, last);
    middle
}

/// Merge sort. Merging is parallel, too.
pub(crate) struct Mergesort {
    input: Vec<u32>,
}

impl Mergesort {
    pub(crate) fn new(count: usize) -> Self {
        Self { input: numbers(count).collect() }
    }
}

impl Program for Mergesort {
    fn run<J: Join>(&self) -> u64 {
        let mut values = self.input.clone();
        let mut room = vec![0; values.len()];
        mergesort::<J>(&mut values, &mut room);
        check_sum(values.into_iter().map(u64::from))
    }
}

fn mergesort<J: Join>(values: &mut [u32], room: &mut [u32]) {
    if values.len() <= SEQUENTIAL_LENGTH {
        return values.sort_unstable();
    }
    let middle = values.len() / 2;
    let (left, right) = values.split_at_mut(middle);
    let (left_room, right_room) = room.split_at_mut(middle);
    J::join(|| mergesort::<J>(left, left_room), || mergesort::<J>(right, right_room));
    merge::<J>(left, right, room);
    values.copy_from_slice(room);
}

/// Merges two sorted slices. The middle of the longer slice splits both.
fn merge<J: Join>(a: &[u32], b: &[u32], into: &mut [u32]) {
    if a.len() < b.len() {
        return merge::<J>(b, a, into);
    }
    if into.len() <= SEQUENTIAL_LENGTH {
        return merge_in_one_piece(a, b, into);
    }
    let in_a = a.len() / 2;
    let in_b = b.partition_point(|value| *value < a[in_a]);
    let (low, high) = into.split_at_mut(in_a + in_b);
    J::join(|| merge::<J>(&a[..in_a], &b[..in_b], low), || merge::<J>(&a[in_a..], &b[in_b..], high));
}

fn merge_in_one_piece<'a>(mut a: &'a [u32], mut b: &'a [u32], into: &mut [u32]) {
    for place in into {
        let from_a = match (a.first(), b.first()) {
            (Some(x), Some(y)) => x <= y,
            (first, _) => first.is_some(),
        };
        let source = if from_a { &mut a } else { &mut b };
        *place = source[0];
        *source = &source[1..];
    }
}
