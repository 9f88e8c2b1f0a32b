//! Threads that are all there: a measurement of their work must not begin with their start.

use brigade_pool::Pool;
use std::{
    io,
    sync::{Arc, Barrier},
};

/// A pool of so many threads, each of which has begun to work.
///
/// # Errors
///
/// If the threads cannot be had.
pub fn threads(count: usize, name: &str) -> io::Result<Pool> {
    let pool = Pool::builder().threads(count).name(name).build()?;
    // A job for each thread: none of them ends before each thread has its own.
    let everybody = Arc::new(Barrier::new(count));
    pool.map(move |_| everybody.wait().is_leader(), 0..count);
    Ok(pool)
}
