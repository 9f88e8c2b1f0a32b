//! The numbers of the operating system that simulated calls use.

pub(crate) use libc::{
    EADDRINUSE, EAFNOSUPPORT, ECONNREFUSED, ECONNRESET, EDESTADDRREQ, EEXIST, EMSGSIZE, ENOENT, ENOTCONN,
    EPIPE,
};

/// The flag of `open` that makes a descriptor which is only a path: all other calls on it fail.
pub(crate) const PATH_ONLY: i32 = libc::O_PATH;
