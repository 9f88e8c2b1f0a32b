//! Input and output beside the network: any descriptor, pipes, the standard streams, copying.
//!
//! * [`AsyncFd`] waits for any descriptor.
//! * [`pipe`], [`PipeReader`] and [`PipeWriter`] are pipes, with and without a name.
//! * [`stdin`], [`stdout`] and [`stderr`] are the standard streams of this process.
//! * [`copy`] and [`copy_bidirectional`] move bytes between streams.
//!
//! The streams implement the traits of `futures-io`, so the methods that `futures-util` adds to those work
//! here: `read_exact`, `write_all`, `BufReader`, `lines`.

mod async_fd;
pub(crate) mod backoff;
mod copy;
pub(crate) mod offloaded;
mod pipe;
mod ready;
mod stdio;

pub use crate::driver::source::Direction;
pub use async_fd::AsyncFd;
pub use copy::{copy, copy_bidirectional};
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use ready::{Ready, WouldBlock};
pub use stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
