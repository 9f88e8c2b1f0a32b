//! The log of a run: the events that the harness sees, and the rules that they must keep.

use crate::{Finding, real};
use brigade_explore::{fail, remark};
use std::{
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A rule over the events so far. It returns what happened if it is broken.
type Check<E> = Box<dyn Fn(&[E]) -> Result<(), String> + Send>;

struct Rule<E> {
    name: &'static str,
    expected: &'static str,
    check: Check<E>,
}

/// The events of a run. All clones are one log.
pub(crate) struct Log<E> {
    // No choice point lies under these locks, so they can be std's.
    events: Arc<Mutex<Vec<E>>>,
    rules: Arc<Mutex<Vec<Rule<E>>>>,
}

impl<E> Clone for Log<E> {
    fn clone(&self) -> Self {
        Self { events: self.events.clone(), rules: self.rules.clone() }
    }
}

impl<E: Display + Clone> Log<E> {
    pub(crate) fn new() -> Self {
        Self { events: Arc::default(), rules: Arc::default() }
    }

    /// Adds a rule that holds from now on, at every event.
    pub(crate) fn demand(
        &self,
        name: &'static str,
        expected: &'static str,
        check: impl Fn(&[E]) -> Result<(), String> + Send + 'static,
    ) {
        lock(&self.rules).push(Rule { name, expected, check: Box::new(check) });
    }

    /// Notes an event, shows it in the lane of the calling thread, and looks at the rules.
    pub(crate) fn note(&self, event: E) {
        remark(|| format!("{event}"));
        self.note_unseen(event);
    }

    /// Notes an event that only the rules look at, such as the end of a call, and looks at the rules.
    pub(crate) fn note_unseen(&self, event: E) {
        lock(&self.events).push(event);
        let events = self.events();
        let broken = lock(&self.rules).iter().find_map(|rule| {
            (rule.check)(&events).err().map(|happened| (rule.name, rule.expected, happened))
        });
        if let Some((name, expected, happened)) = broken {
            self::broken(name, expected, &happened);
        }
    }

    /// Returns the events so far.
    pub(crate) fn events(&self) -> Vec<E> {
        lock(&self.events).clone()
    }

    /// Counts events.
    pub(crate) fn count(&self, is_counted: impl Fn(&E) -> bool) -> usize {
        lock(&self.events).iter().filter(|event| is_counted(event)).count()
    }
}

/// Takes a lock, also if a thread has panicked with it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the run, because a rule is broken.
pub(crate) fn broken(rule: &str, expected: &str, happened: &str) -> ! {
    if real::is_running() {
        real::end_with(Some(Finding::new(rule, expected, happened)));
    }
    fail(rule, &format!("{expected}\n{happened}"))
}

/// Ends the run if `holds` is false.
pub(crate) fn demand(holds: bool, rule: &str, expected: &str, happened: impl FnOnce() -> String) {
    if !holds {
        broken(rule, expected, &happened());
    }
}

/// `1 poll`, `2 polls`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
