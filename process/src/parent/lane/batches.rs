//! Batches in a lane: answered early, split for an idle worker, saved from a worker that has ended.

use super::Lane;
use crate::{
    call::{Answer, Call, Done, batch},
    wire::ring::{Place, Progress, SLOTS, WIDE_BYTES},
};
use brigade_handle::Lost;

impl Lane {
    /// The records that the worker has written into the wide place of the batch that it runs.
    fn written(&self, number: u64, place: u8) -> Vec<u8> {
        let mut records = Vec::new();
        let (_, count) = self.ring().batch_progress(number);
        if count > 0 {
            self.ring().written(place, WIDE_BYTES, &mut records);
            records.truncate(batch::length_of_records(&records, count).unwrap_or(0));
        }
        records
    }

    /// Takes in the records of a batch, which may have been answered early.
    pub(super) fn settle_batch(&mut self, call: Call, records: Vec<u8>, nanos: u64, done: &mut Done) -> bool {
        let count = batch::records(&records).count().min(call.count());
        if count == 0 || call.batch().is_none() {
            // The call is lost with the worker, which is condemned for this.
            done.push((call, Answer::Lost(Lost::Protocol("it answered a batch with nothing".into()))));
            return self.condemn("it answered a batch with nothing");
        }
        if let Some(batch) = call.batch() {
            batch.learn(count, nanos, records.len());
        }
        self.served.calls += count as u64;
        let (answered, rest) = call.split(count);
        self.leftovers.extend(rest);
        done.push((answered, Answer::Records(records)));
        true
    }

    /// Saves the parts of a batch that the worker had begun: its records stand, and the calls that it had
    /// not begun are given back.
    pub(super) fn salvage(
        &self,
        number: u64,
        place: Option<Place>,
        call: Call,
        lost: &Lost,
        done: &mut Done,
    ) -> Option<Call> {
        let (begun, count) = self.ring().batch_progress(number);
        let mut records = Vec::new();
        if let Some(Place::Wide(place)) = place {
            records = self.written(number, place);
        }
        let count = count.min(batch::records(&records).count());
        let mut rest = Some(call);
        if count > 0 {
            let (answered, left) = rest.take()?.split(count);
            done.push((answered, Answer::Records(records)));
            rest = left;
        }
        if begun > count {
            let (lost_call, left) = rest?.split(1);
            done.push((lost_call, Answer::Lost(lost.clone())));
            rest = left;
        }
        rest
    }

    /// How many items of the running batch the worker has not begun, if the batch is worth splitting.
    pub(crate) fn left_to_split(&self) -> usize {
        if self.load() == 0 || self.asked_to_stop == self.tail {
            return 0;
        }
        let Some((call, _)) = &self.given[(self.tail % SLOTS) as usize] else { return 0 };
        let Some(batch) = call.batch() else { return 0 };
        if self.ring().progress(self.tail) != Progress::Begun {
            return 0;
        }
        let left = batch.count.saturating_sub(self.ring().batch_progress(self.tail).0);
        if batch.is_worth_splitting(left) { left } else { 0 }
    }

    /// Handles a worker that leaves by its own choice: takes back all calls that it has not begun, in
    /// order.
    pub(crate) fn leave(&mut self, unbegun: &mut Vec<Call>) {
        self.open = false;
        self.reclaim_all(|_| true, unbegun);
    }

    /// Handles a worker that is to be killed, or told that no more calls come: as [`leave`](Self::leave),
    /// but leaves the call for whose sake the worker is killed.
    pub(crate) fn close(&mut self, unbegun: &mut Vec<Call>) {
        self.open = false;
        self.reclaim_all(|call| !call.is_alone(), unbegun);
    }

    /// Takes back all calls that `is_it` matches and the worker has not begun.
    pub(crate) fn reclaim_all(&mut self, is_it: impl Fn(&Call) -> bool, into: &mut Vec<Call>) {
        for number in self.tail..self.head {
            let is_its = self.slot(number).as_ref().is_some_and(|(call, _)| is_it(call));
            if is_its {
                into.extend(self.withdraw(number));
            }
        }
    }

    /// Whether the worker runs a batch that `is_it` matches.
    pub(crate) fn runs(&self, is_it: impl Fn(&Call) -> bool) -> bool {
        let given = self.given[(self.tail % SLOTS) as usize].as_ref().filter(|_| self.load() > 0);
        given.is_some_and(|(call, _)| call.batch().is_some() && is_it(call))
    }

    /// Asks the worker to answer its running batch early.
    pub(crate) fn ask_to_stop(&mut self) {
        self.asked_to_stop = self.tail;
        self.ring().stop(self.tail);
    }
}
