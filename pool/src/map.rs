//! `map`: one call an item, results in order.

use crate::join;
use brigade_handle::JoinError;
use std::panic::{self, AssertUnwindSafe};

/// Maps on the current worker, and whoever helps it. Splits down to single items: a join costs little, and an item may
/// take long.
pub(crate) fn map<F, T, R>(f: &F, inputs: Vec<T>) -> Vec<Result<R, JoinError>>
where
    F: Fn(T) -> R + Sync,
    T: Send,
    R: Send,
{
    let mut items: Vec<Item<T, R>> =
        inputs.into_iter().map(|input| Item { input: Some(input), result: None }).collect();
    split(f, &mut items);
    items.into_iter().map(|item| item.result.expect("every item was visited")).collect()
}

struct Item<T, R> {
    input: Option<T>,
    result: Option<Result<R, JoinError>>,
}

fn split<F, T, R>(f: &F, items: &mut [Item<T, R>])
where
    F: Fn(T) -> R + Sync,
    T: Send,
    R: Send,
{
    match items {
        [] => {}
        [item] => {
            let input = item.input.take().expect("every item is visited once");
            let result = panic::catch_unwind(AssertUnwindSafe(|| f(input)));
            item.result = Some(result.map_err(JoinError::Panicked));
        }
        items => {
            let (left, right) = items.split_at_mut(items.len() / 2);
            join(|| split(f, left), || split(f, right));
        }
    }
}
