//! The ways of a choice in words.

use super::moment::{PendingChoice, ThreadMoment};
use brigade_handle::explore::Kind;

/// Says what happens if the run goes this way.
pub(super) fn of_way(pending: &PendingChoice, value: u32, threads: &[ThreadMoment]) -> String {
    let name = |thread: u32| {
        let thread = threads.get(thread as usize);
        thread.map(|thread| match thread.name == thread.label {
            true => thread.name.clone(),
            false => format!("{} ({})", thread.name, thread.label),
        })
    };
    let here = name(pending.key.thread).unwrap_or_default();
    let number = value + 1;
    match pending.key.kind() {
        Kind::Switch | Kind::Preempt => match pending.threads.get(value as usize) {
            Some(&thread) => format!("{} goes on", name(thread).unwrap_or_default()),
            None => format!("thread {number} of those that can goes on"),
        },
        Kind::Victim => format!("{here} looks for work at victim {number} first"),
        Kind::Timer => format!("timer {number} of this moment fires first"),
        Kind::Wake => format!("waiter {number} is woken first"),
        Kind::Racer => format!("future {number} of the race is polled first"),
        Kind::Spurious if value == 0 => format!("{here} sleeps until it is woken"),
        Kind::Spurious => format!("{here} wakes up for no reason"),
        Kind::Chance => format!("the drawn number is {value}"),
        Kind::Arrival => format!("what was sent arrives at moment {number} of those that can be"),
        Kind::Length => format!("the call moves bytes by length {number} of those that can be"),
        Kind::Datagram => format!("datagram {number} comes first"),
        Kind::Readiness => format!("source {number} is reported as ready first"),
        Kind::Reply => format!("the child process replies in way {number}"),
        Kind::Fault if value == 0 => "the network does not fail".to_owned(),
        Kind::Fault => format!("the network fails in way {value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Key;

    #[test]
    fn each_kind_has_words_that_differ_by_way() {
        let thread = |name: &str| ThreadMoment {
            name: name.to_owned(),
            label: "cook".to_owned(),
            state: String::new(),
            runs: None,
            has_ended: false,
        };
        for kind in Kind::ALL {
            let pending =
                PendingChoice { key: Key::new(0, kind, 0), enabled: 2, threads: vec![1, 0], index: 0 };
            let words = |value| of_way(&pending, value, &[thread("root"), thread("w1")]);
            assert_ne!(words(0), words(1));
            assert!(words(0).len() > 10);
        }
    }
}
