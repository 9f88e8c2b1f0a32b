//! The events of all threads, on one clock and in one order.

use brigade_trace::{Event, Recording};

/// A thread of a recording.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Its segment.
    pub(crate) segment: usize,
    /// Its place among the threads of its segment.
    pub(crate) thread: usize,
    /// The nanoseconds that are added to its times.
    shift: u64,
}

/// An event in the order of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// Nanoseconds since the first event.
    pub(crate) at: u64,
    /// The thread, in [`Order::places`].
    pub(crate) place: u32,
    event: u32,
}

/// The order of all events.
pub(crate) struct Order<'a> {
    recording: &'a Recording,
    pub(crate) places: Vec<Place>,
    pub(crate) steps: Vec<Step>,
    /// The time of the first event, which counts as 0.
    pub(crate) first: u64,
}

impl<'a> Order<'a> {
    pub(crate) fn of(recording: &'a Recording) -> Self {
        let places = places(recording);
        let mut steps = Vec::new();
        for (index, place) in (0..).zip(&places) {
            let events = &recording.segments[place.segment].trace.threads[place.thread].events;
            let step =
                |(event, at): (u32, u64)| Step { at: at.saturating_add(place.shift), place: index, event };
            steps.extend((0..).zip(events.iter().map(|event| event.at)).map(step));
        }
        // Events of one thread at the same time stay in their order.
        steps.sort_unstable_by_key(|step| (step.at, step.place, step.event));
        let first = steps.first().map_or(0, |step| step.at);
        steps.iter_mut().for_each(|step| step.at -= first);
        Self { recording, places, steps, first }
    }

    /// The time of an event of a thread, in nanoseconds since the first event.
    pub(crate) fn at(&self, place: Place, at: u64) -> u64 {
        at.saturating_add(place.shift).saturating_sub(self.first)
    }

    pub(crate) fn event(&self, step: Step) -> &'a Event {
        let place = self.places[step.place as usize];
        &self.recording.segments[place.segment].trace.threads[place.thread].events[step.event as usize]
    }
}

fn places(recording: &Recording) -> Vec<Place> {
    let epochs = || recording.segments.iter().map(|segment| segment.trace.epoch.monotonic_nanos);
    let first = epochs().min().unwrap_or(0);
    let mut places = Vec::new();
    for (segment, epoch) in epochs().enumerate() {
        let threads = recording.segments[segment].trace.threads.len();
        places.extend((0..threads).map(|thread| Place { segment, thread, shift: epoch - first }));
    }
    places
}
