//! Panics that a test means to happen are not printed: they would bury those that nobody means.

use std::panic::{self, PanicHookInfo};

/// Installs a hook that prints a panic unless its message begins with one of `meant`. A panic without a
/// message is not printed either: an assertion that fails has one.
pub(crate) fn about(meant: &'static [&'static str]) {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !is_meant(info, meant) {
            usual(info);
        }
    }));
}

fn is_meant(info: &PanicHookInfo<'_>, meant: &[&str]) -> bool {
    let payload = info.payload();
    let message = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref().copied());
    message.is_none_or(|message| meant.iter().any(|start| message.starts_with(start)))
}
