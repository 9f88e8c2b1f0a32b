//! Types that may cross a `catch_unwind`: a panic leaves none of them in a state that a later user could not
//! bear. The assertions are made when this file is compiled.

use brigade_process::{
    Argv, AsCompleted, Block, Builder, JoinError, JoinHandle, Local, Lost, ProcessPool, RemotePanic, Start,
    Statistics, Stream, Until, Waited, WorkerStatistics, usage::Usage,
};
use std::{
    cell::Cell,
    panic::{RefUnwindSafe, UnwindSafe},
};

const fn survives<T: UnwindSafe + RefUnwindSafe>() {}

/// A result that is not unwind-safe itself: a handle does not touch it.
type Fragile = Cell<u32>;

const _: () = {
    survives::<Argv>();
    survives::<AsCompleted<Fragile>>();
    survives::<Block<u8>>();
    survives::<Builder>();
    survives::<JoinError>();
    survives::<JoinHandle<Fragile>>();
    survives::<Local>();
    survives::<Lost>();
    survives::<ProcessPool>();
    survives::<RemotePanic>();
    survives::<Start>();
    survives::<Statistics>();
    survives::<Stream>();
    survives::<Until>();
    survives::<Usage>();
    survives::<Waited<u32>>();
    survives::<WorkerStatistics>();
};
