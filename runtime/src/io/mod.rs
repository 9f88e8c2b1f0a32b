//! Input and output that is no network: any descriptor, pipes, the standard streams, copying.
//!
//! Reading and writing goes by the traits of `futures-io`, so what `futures-util` adds to them works here: `read_exact`,
//! `write_all`, `BufReader`, `lines`.

mod async_fd;
mod pipe;

pub use async_fd::{AsyncFd, Ready, WouldBlock};
pub use pipe::{PipeReader, PipeWriter, pipe};
