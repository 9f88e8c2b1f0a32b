//! The terminal's interrupts: Ctrl-C and Ctrl-\ send SIGINT and SIGQUIT to the whole foreground process
//! group, so to the workers as well as to the pool's process. The pool's process may want to drain, and
//! needs its workers for that. So workers leave both signals to it, unless its builder says otherwise.
//!
//! ```text
//!   fork      the defaults are back, then both signals are ignored (and stay so through exec)
//!   exec
//!   set up    both signals get a handler that does nothing (exec makes that the default again)
//!   a call    what it starts has the defaults
//! ```
//!
//! A port must provide `sigaction` with `SA_RESTART`.

use crate::sys::no_signals;
use std::{io, ptr};

/// The signals that the terminal sends for Ctrl-C and Ctrl-\. Not Ctrl-Z (SIGTSTP): a stopped program has
/// stopped workers.
const INTERRUPTS: [libc::c_int; 2] = [libc::SIGINT, libc::SIGQUIT];

/// The processes that answer the terminal's interrupts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Interrupts {
    /// Each process for itself: workers have the default actions, and die.
    #[default]
    Everybody,
    /// The pool's process alone.
    Owner,
}

/// Ignores the interrupts until the program that is exec'd next sets itself up. Async-signal-safe.
pub(crate) fn ignore() {
    for signal in INTERRUPTS {
        // SAFETY: SIG_IGN needs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Has the interrupts do nothing in this process, and nothing to what it will exec.
pub(crate) fn leave_to_owner() -> io::Result<()> {
    extern "C" fn nothing(_signal: libc::c_int) {}
    // System calls that the signal interrupts go on by themselves, as far as the kernel restarts them.
    let handler: extern "C" fn(libc::c_int) = nothing;
    // SAFETY: all zeros is a valid value of a struct of numbers and of a function pointer that may be null.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_mask = no_signals();
    action.sa_flags = libc::SA_RESTART;
    for signal in INTERRUPTS {
        // SAFETY: the action lives across the call, and its handler may run at any time, since it does
        // nothing.
        if unsafe { libc::sigaction(signal, &action, ptr::null_mut()) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
