//! Catching a user's panic with its message and its place.
//!
//! The payload holds the message; the place is known to the panic hook alone. So a worker installs a hook that notes the
//! place for its own thread and then goes on to the hook that was there, which prints as usual.

use brigade_handle::forget_panic;
use serde::{Deserialize, Serialize};
use std::{
    cell::RefCell,
    panic::{self, UnwindSafe},
};

/// What crosses to the pool when a call panics.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) message: String,
    pub(crate) location: Option<String>,
}

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has the places of panics noted from now on. Once in a process.
pub(crate) fn install_hook() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string);
        let _ = PLACE.try_with(|noted| *noted.borrow_mut() = place);
        before(info);
    }));
}

/// Runs `f` and catches its panic.
pub(crate) fn catch<R>(f: impl FnOnce() -> R + UnwindSafe) -> Result<R, Report> {
    panic::catch_unwind(f).map_err(|payload| {
        let location = PLACE.try_with(|noted| noted.borrow_mut().take()).ok().flatten();
        let text = payload.downcast_ref::<&'static str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        let message = text.unwrap_or_else(|| "(a payload that is not a text)".to_owned());
        // A payload's destructor is foreign code, too: a panic in there must not end the worker's loop.
        forget_panic(Err::<(), _>(payload));
        Report { message, location }
    })
}
