//! Taking calls back from a worker that has not begun them.

use super::Lane;
use crate::{
    call::{Call, block::Inner},
    wire::ring::{Place, SLOTS},
};
use std::sync::Arc;

impl Lane {
    /// Takes back up to half of the calls that the worker has not begun, the newest first; they come out in
    /// order.
    pub(crate) fn reclaim_half(&mut self) -> Vec<Call> {
        let mut calls = Vec::new();
        let most = self.load() / 2;
        let mut number = self.head;
        while number > self.tail + 1 && (calls.len() as u64) < most {
            number -= 1;
            if self.slot(number).is_none() {
                continue;
            }
            let Some(call) = self.withdraw(number) else { break };
            calls.push(call);
        }
        calls.reverse();
        calls
    }

    /// Takes back the one call that `is_it` matches, if the worker has not begun it.
    pub(crate) fn reclaim(&mut self, is_it: impl Fn(&Call) -> bool) -> Option<Call> {
        let matches = |given: &Option<(Call, Place)>| given.as_ref().is_some_and(|(call, _)| is_it(call));
        let number = (self.tail..self.head).find(|number| matches(&self.given[(number % SLOTS) as usize]))?;
        self.withdraw(number)
    }

    /// Takes a call back, if the worker has not begun it, and the blocks that were lent for it.
    pub(super) fn withdraw(&mut self, number: u64) -> Option<Call> {
        let call = if self.ring().withdraw(number) { self.take(number) } else { None }?;
        if !call.attachments.is_empty() {
            self.lent.recall(number);
        }
        Some(call)
    }

    /// The blocks of a call under way, if it names any.
    pub(crate) fn attachments(&self, number: u64) -> Option<Vec<Arc<Inner>>> {
        let is_here = (self.tail..self.head).contains(&number);
        let (call, _) = self.given[(number % SLOTS) as usize].as_ref().filter(|_| is_here)?;
        (!call.attachments.is_empty()).then(|| call.attachments.clone())
    }
}
