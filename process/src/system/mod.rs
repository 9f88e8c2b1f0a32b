//! The means of the operating system that the crate uses beyond `sys.rs`: a file for each of them.

// Unsafe: messages whose parts are pointers.
#[allow(unsafe_code)]
pub(crate) mod descriptors;
// Unsafe: signal dispositions.
#[allow(unsafe_code)]
pub(crate) mod interrupts;
// Unsafe: has the kernel kill this process when a pipe ends.
#[allow(unsafe_code)]
pub(crate) mod leash;
// Unsafe: maps memory that is shared with workers, and the futex.
#[allow(unsafe_code)]
pub(crate) mod memory;
// Unsafe: epoll, and the events that it writes.
#[allow(unsafe_code)]
pub(crate) mod poller;
// Unsafe: bytes that the kernel reads and writes.
#[allow(unsafe_code)]
pub(crate) mod stream;
