//! The thread that waits for signals on behalf of recordings.
//!
//! A handler may write no file, so it rings a bell: a byte in a socket pair, whose other end this thread
//! reads. A handler that the program installs later takes the place of ours. If it calls ours as well, the
//! thread finds that the signal is no longer ours, and does nothing.

use super::{
    files::{dump_all, write_all},
    sys,
};
use brigade_handle::{contain, fork::PerProcess};
use std::{
    io::{self, Read},
    os::unix::net::UnixStream,
    thread,
};

/// Starts the thread, if this process has none, and catches the signals that the program does not handle.
pub(super) fn listen() -> io::Result<()> {
    static LISTENING: PerProcess<()> = PerProcess::new();
    LISTENING.get_or_try_init(|| {
        let (ours, theirs) = UnixStream::pair()?;
        thread::Builder::new().name("brigade-trace".into()).spawn(move || serve(ours))?;
        sys::set_bell(theirs);
        sys::ENDING.into_iter().chain([sys::DUMP]).for_each(sys::catch);
        io::Result::Ok(())
    })?;
    Ok(())
}

fn serve(mut bell: UnixStream) {
    let mut byte = [0];
    while let Ok(1) = bell.read(&mut byte) {
        let signal = i32::from(byte[0]);
        if signal == sys::DUMP {
            contain(|| dump_all("SIGUSR1 came"));
        } else if sys::ENDING.contains(&signal) && sys::is_ours(signal) {
            contain(write_all);
            sys::die_of(signal);
        }
    }
}
