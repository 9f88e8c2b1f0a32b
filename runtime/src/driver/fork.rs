//! The error and the panic by which a forked child refuses to use its parent's reactor.

use std::io;

/// Returns the error for a wait, in a forked child, on a descriptor that was registered before the fork.
#[cold]
pub(crate) fn forked() -> io::Error {
    io::Error::other(
        "this was made before the process forked, and the runtime that watches it is the parent's; make it anew in the child",
    )
}

/// Panics because a runtime is used in a forked child of the process that made it.
#[cold]
#[track_caller]
pub(crate) fn refuse_forked() -> ! {
    panic!(
        "this runtime was made before the process forked, and belongs to the parent: its threads are not in the child, and \
         its sockets are watched for both; make a new Runtime in the child"
    )
}
