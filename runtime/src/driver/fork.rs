//! A reactor in a forked child: why it is refused.

use std::io;

/// Why nobody waits for a descriptor in a forked child, if it was registered before.
#[cold]
pub(crate) fn forked() -> io::Error {
    io::Error::other(
        "this was made before the process forked, and the runtime that watches it is the parent's; make it anew in the child",
    )
}

#[cold]
#[track_caller]
pub(crate) fn refuse_forked() -> ! {
    panic!(
        "this runtime was made before the process forked, and belongs to the parent: its threads are not in the child, and \
         its sockets are watched for both; make a new Runtime in the child"
    )
}
