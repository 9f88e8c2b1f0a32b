//! Input and output that is no network: any descriptor, pipes, the standard streams, copying.
//!
//! Reading and writing goes by the traits of `futures-io`, so what `futures-util` adds to them works here: `read_exact`,
//! `write_all`, `BufReader`, `lines`.

mod async_fd;
pub(crate) mod backoff;
mod copy;
pub(crate) mod offloaded;
mod pipe;
mod stdio;

pub use async_fd::{AsyncFd, Ready, WouldBlock};
pub use copy::{copy, copy_bidirectional};
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
