//! The platform wall of recordings: the end of the process, and its signals.
//!
//! A port provides these functions. Where there are no signals, `catch` may do nothing.

use brigade_handle::fork::PerProcess;
use std::{
    io, mem,
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixStream,
    },
    ptr,
};

/// The signals that end a program which does not handle them.
pub(super) const ENDING: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
/// The signal that asks for a dump.
pub(super) const DUMP: i32 = libc::SIGUSR1;

/// The end of the socket pair to which the handler writes. A forked child begins without one.
static BELL: PerProcess<RawFd> = PerProcess::new();

/// Has `call` called when the process exits: when `main` returns, or by `exit`.
pub(super) fn at_exit(call: extern "C" fn()) {
    // SAFETY: `call` lives as long as the process, and unwinds into no C code: an `extern "C" fn` aborts.
    let _ = unsafe { libc::atexit(call) };
}

/// Leaves the bell of this process, for as long as it lives.
pub(super) fn set_bell(bell: UnixStream) {
    let bell = &*Box::leak(Box::new(bell));
    BELL.get_or_init(|| bell.as_raw_fd());
}

/// Rings the bell with this byte. A bell that is full was rung often enough.
pub(super) fn ring(byte: u8) {
    if let Some(&bell) = BELL.get() {
        // SAFETY: the descriptor stays open as long as the process lives, and the byte outlives the call.
        let _ = unsafe { libc::send(bell, (&raw const byte).cast(), 1, libc::MSG_DONTWAIT) };
    }
}

fn action_of(signal: i32) -> Option<libc::sigaction> {
    let mut action = mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action the call only writes the present action, to a place of that type.
    let done = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: the call succeeded, so it wrote the whole action.
    (done == 0).then(|| unsafe { action.assume_init() })
}

fn set_action(signal: i32, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: `sigaction` consists of integers and a set of bits. All zeros is a valid value for both.
    let mut action = unsafe { mem::zeroed::<libc::sigaction>() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the action is the default one or `on_signal`, which makes async-signal-safe calls only.
    if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn handler() -> libc::sighandler_t {
    on_signal as extern "C" fn(i32) as libc::sighandler_t
}

/// Has the bell rung when this signal comes, if the program leaves the signal to its default action.
pub(super) fn catch(signal: i32) {
    if action_of(signal).is_some_and(|action| action.sa_sigaction == libc::SIG_DFL) {
        // Without the handler, the signal does what it did before.
        let _ = set_action(signal, handler());
    }
}

/// Whether the signal is still caught for us, and not by the program's own handler.
pub(super) fn is_ours(signal: i32) -> bool {
    action_of(signal).is_some_and(|action| action.sa_sigaction == handler())
}

/// Ends the process as the signal does by default.
pub(super) fn die_of(signal: i32) {
    let _ = set_action(signal, libc::SIG_DFL);
    // SAFETY: plain system calls, here and below.
    let pid = unsafe { libc::getpid() };
    // SAFETY: as above.
    let _ = unsafe { libc::kill(pid, signal) };
}

/// Rings the bell. In a forked child, which has no bell, the signal does what it does by default.
extern "C" fn on_signal(signal: i32) {
    if BELL.get().is_some() {
        // The interrupted code may be about to read its error.
        let error = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        ring(signal as u8);
        set_errno(error);
        return;
    }
    // The program's own handler may have called this one.
    if !is_ours(signal) {
        return;
    }
    // SAFETY: both calls are async-signal-safe. The signal is delivered when this handler returns.
    let _ = unsafe { libc::signal(signal, libc::SIG_DFL) };
    // SAFETY: as above.
    let _ = unsafe { libc::raise(signal) };
}

#[cfg(target_os = "linux")]
fn set_errno(error: i32) {
    // SAFETY: the place belongs to this thread.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: as above, and it can be written.
    unsafe { *place = error };
}

#[cfg(not(target_os = "linux"))]
fn set_errno(_error: i32) {}
