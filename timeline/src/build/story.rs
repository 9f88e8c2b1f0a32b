//! One pass through all events: the spans of units and threads, the wakes and the depths.
//!
//! Long: each kind of event changes the same state, and the units that it is about are found in one place.

use super::{
    edges::Edges,
    holders::Holders,
    locks::Holds,
    marks,
    names::{Key, Names, is_unit},
    order::{Order, Step},
    thread::Lane,
    unit::{Live, OpenWait},
};
use crate::model::{
    EdgeKind, Link, Mark, Outcome, Process, Queue, Span, State, Thread, Timeline, Unit, Wake,
};
use brigade_trace::{Cause, Domain, Event, Id, Kind, Recording};
use std::collections::HashMap;

/// The links between wakes, threads and units while the events are gone through.
struct Story<'a> {
    recording: &'a Recording,
    names: Names<'a>,
    lanes: Vec<Lane>,
    live: Vec<Live>,
    numbers: HashMap<Key, Link>,
    /// The units that hold each resource.
    holders: HashMap<Link, Holders>,
    depths: HashMap<Key, usize>,
    /// For each thread, the call that it has handed to a child last.
    begun: Vec<Link>,
    holds: Holds,
    edges: Edges,
    /// The cycles that were told, so that each is told once.
    cycles: Vec<Vec<Link>>,
    /// The spans of units, whose rows are not known yet.
    spans: Vec<Span>,
    /// The spans of threads, whose rows are the numbers of the threads.
    lane_spans: Vec<Span>,
    timeline: Timeline,
}

/// The events as a story.
pub(super) struct Told {
    /// With the spans of units, which have no rows yet.
    pub(super) timeline: Timeline,
    /// The spans of threads.
    pub(super) lane_spans: Vec<Span>,
    pub(super) holds: Holds,
    pub(super) edges: Edges,
}

/// Goes through the events in order.
pub(super) fn tell(recording: &Recording, order: &Order<'_>) -> Told {
    let mut story = Story {
        recording,
        names: Names::of(recording),
        lanes: Vec::new(),
        live: Vec::new(),
        numbers: HashMap::new(),
        holders: HashMap::new(),
        depths: HashMap::new(),
        begun: vec![Link::NONE; order.places.len()],
        holds: Holds::default(),
        edges: Edges::default(),
        cycles: Vec::new(),
        spans: Vec::new(),
        lane_spans: Vec::new(),
        timeline: Timeline::default(),
    };
    story.introduce(order);
    for &step in &order.steps {
        story.event(step, order.places[step.place as usize].segment, order.event(step));
    }
    story.end(order)
}

/// Whether it waits without blocking its thread, so that it can wait for several things at a time. A thread
/// in a `block_on` does as well.
fn is_polled(id: Id) -> bool {
    matches!(id.domain(), Domain::Task | Domain::Future)
}

impl Story<'_> {
    /// Makes the threads and processes.
    fn introduce(&mut self, order: &Order<'_>) {
        let mut numbers = HashMap::new();
        for place in &order.places {
            let segment = &self.recording.segments[place.segment];
            let thread = &segment.trace.threads[place.thread];
            let pid = if thread.process == 0 { segment.process.pid } else { thread.process };
            let processes = &mut self.timeline.processes;
            let process = *numbers.entry((place.segment, pid)).or_insert_with(|| {
                processes.push(Process { pid, role: segment.process.role });
                processes.len() as u32 - 1
            });
            let (name, dropped) = (thread.name.clone(), thread.dropped);
            self.timeline.threads.push(Thread { name, lane: thread.lane, process, dropped, row: 0 });
            self.lanes.push(Lane::new(Link::to(self.lanes.len()), thread.id));
        }
    }

    fn key(&self, place: u32, id: Id) -> Key {
        let is_shared = matches!(id.domain(), Domain::Call | Domain::Child);
        (if is_shared { u32::MAX } else { self.timeline.threads[place as usize].process }, id)
    }

    /// Whether a thread is none of a worker process.
    fn is_parent(&self, place: u32) -> bool {
        self.timeline.threads[place as usize].lane != brigade_trace::Lane::Child
    }

    /// The unit with this id, if it was seen.
    fn known(&self, place: u32, id: Id) -> Link {
        self.numbers.get(&self.key(place, id)).copied().unwrap_or(Link::NONE)
    }

    /// The unit with this id, which is made if it is new.
    fn unit(&mut self, step: Step, segment: usize, id: Id) -> Link {
        let key = self.key(step.place, id);
        if let Some(&link) = self.numbers.get(&key) {
            return link;
        }
        let process = self.timeline.threads[step.place as usize].process;
        // Work without a name is labelled with the place that spawned it.
        let label = self.names.label(segment, id);
        let is_place = label.get().is_some_and(|label| self.names.texts[label].contains(".rs:"));
        let (label, site) = if is_place { (Link::NONE, label) } else { (label, Link::NONE) };
        let (parent, outcome) = (Link::NONE, Outcome::Open);
        let (begin, end) = (step.at, step.at);
        self.live.push(Live::new(Unit { id, process, label, site, parent, begin, end, outcome, row: 0 }));
        let link = Link::to(self.live.len() - 1);
        self.numbers.insert(key, link);
        link
    }

    fn resource(&mut self, place: u32, segment: usize, id: Id) -> Link {
        let key = self.key(place, id);
        let unit = self.numbers.get(&key).copied().unwrap_or(Link::NONE);
        self.names.resource(segment, key, || unit)
    }

    fn event(&mut self, step: Step, segment: usize, event: &Event) {
        let at = step.at;
        if !matches!(event.kind, Kind::WaitBegin | Kind::Held | Kind::TimerSet | Kind::Interest) {
            self.look_at_thread(at, step.place as usize);
        }
        match event.kind {
            Kind::Park => self.lanes[step.place as usize].park(at),
            Kind::Unpark => self.lanes[step.place as usize].unpark(at, &mut self.lane_spans),
            Kind::QueueDepth => self.depth(step, segment, event),
            Kind::Interest => self.hint(step, segment, event.subject, Cause::Readiness),
            Kind::TimerSet => self.hint(step, segment, event.subject, Cause::Timer),
            Kind::WaitBegin => self.begin_wait(step, segment, event),
            Kind::WaitEnd => self.end_wait(step, segment, event),
            Kind::Held | Kind::Released => self.hold(step, segment, event),
            Kind::Mark => self.mark(step, segment, event),
            _ if is_unit(event.subject) => self.unit_event(step, segment, event),
            _ => {}
        }
    }

    fn unit_event(&mut self, step: Step, segment: usize, event: &Event) {
        let (at, place) = (step.at, step.place);
        let link = self.unit(step, segment, event.subject);
        let index = link.get().expect("the unit was just found or made");
        let parent = self.known(place, event.by);
        let thread = Link::to(place as usize);
        let is_elsewhere = event.subject.domain() == Domain::Call && self.is_parent(place);
        self.edge(step, event, link);
        let (live, spans) = (&mut self.live[index], &mut self.spans);
        match event.kind {
            Kind::Spawn => {
                let site = self.names.site(segment, event.detail);
                live.unit.parent = parent;
                live.unit.site = if site == Link::NONE { live.unit.site } else { site };
                live.spawn(at, link, spans);
            }
            Kind::RunBegin => {
                if event.subject.domain() == Domain::Future && live.unit.parent == Link::NONE {
                    live.unit.parent = parent;
                }
                // The parent says that a child has begun a call; no thread here runs it.
                live.run(at, if is_elsewhere { Link::NONE } else { thread }, link, spans);
                if is_elsewhere {
                    self.begun[place as usize] = link;
                    return;
                }
                let is_part = event.subject.domain() == Domain::Future;
                self.lanes[place as usize].enter(at, link, is_part, &mut self.lane_spans);
            }
            Kind::RunEnd => {
                live.stop(at, event.detail == 1, link, spans);
                self.lanes[place as usize].leave(at, link, &mut self.lane_spans);
                // A part of a task waits for no longer than the task does.
                if event.subject.domain() == Domain::Task || self.lanes[place as usize].top() == Link::NONE {
                    self.look_for_cycle(at, link);
                }
            }
            Kind::Wake if live.wake(at, event.cause, link, spans) => {
                let from = if parent == Link::NONE { self.lanes[place as usize].top() } else { parent };
                self.timeline.wakes.push(Wake { at, from, thread, to: link, cause: event.cause });
            }
            Kind::Cancel => live.cancel(),
            Kind::Complete => live.complete(at, event.detail == 1, link, spans),
            Kind::Fork => live.set(at, Some(State::Ready), link, spans),
            Kind::Exec => live.set(at, Some(State::Parked), link, spans),
            Kind::Exit => live.complete(at, event.detail != 0, link, spans),
            Kind::Send => {
                live.sent(at, link, spans);
                // The frame carries the call that was begun right before.
                if let Some(call) = std::mem::replace(&mut self.begun[place as usize], Link::NONE).get() {
                    self.live[call].runs_in(link);
                }
            }
            Kind::Receive => live.received(at, link, spans),
            _ => {}
        }
    }

    /// Notes the event if it belongs to an edge between processes.
    fn edge(&mut self, step: Step, event: &Event, subject: Link) {
        let (at, thread) = (step.at, Link::to(step.place as usize));
        let is_call = event.subject.domain() == Domain::Call;
        let is_parent = self.is_parent(step.place);
        match event.kind {
            Kind::Fork => self.edges.of_child(EdgeKind::Fork, at, thread, subject),
            Kind::Exec => self.edges.of_child(EdgeKind::Exec, at, thread, subject),
            Kind::Exit => self.edges.of_child(EdgeKind::Exit, at, thread, subject),
            Kind::Send => {
                let call = self.begun[step.place as usize];
                if call != Link::NONE {
                    self.edges.send(at, thread, call, subject);
                }
            }
            Kind::RunBegin if is_call && !is_parent => self.edges.begin(at, thread, subject),
            Kind::RunEnd if is_call && !is_parent => self.edges.end(at, thread, subject),
            Kind::RunEnd if is_call => {
                let child = self.live[subject.get().expect("the call was found or made")].runner();
                self.edges.receive(at, thread, subject, child);
            }
            _ => {}
        }
    }

    fn depth(&mut self, step: Step, segment: usize, event: &Event) {
        let key = self.key(step.place, event.subject);
        let label = self.names.label(segment, event.subject);
        let queues = &mut self.timeline.queues;
        let index = *self.depths.entry(key).or_insert_with(|| {
            let label = label.get().map(|label| self.names.texts[label].clone());
            let name = label.unwrap_or_else(|| event.subject.to_string());
            queues.push(Queue { name: format!("depth of {name}"), points: Vec::new() });
            queues.len() - 1
        });
        queues[index].points.push((step.at, event.detail));
    }

    /// The running units ask for something: without better knowledge, this is what they will wait for.
    fn hint(&mut self, step: Step, segment: usize, subject: Id, cause: Cause) {
        let resource = self.resource(step.place, segment, subject);
        for &unit in self.lanes[step.place as usize].running_task() {
            self.live[unit.get().expect("a running unit is known")].asks_for(cause, resource);
        }
    }

    /// The units that a wait of `subject` is about: itself, and the task whose part it is.
    fn affected(&mut self, step: Step, segment: usize, subject: Id) -> Vec<Link> {
        if !is_unit(subject) {
            return Vec::new();
        }
        let unit = self.unit(step, segment, subject);
        let running = self.lanes[step.place as usize].running_task();
        if running.contains(&unit) { running.to_vec() } else { vec![unit] }
    }

    fn begin_wait(&mut self, step: Step, segment: usize, event: &Event) {
        let resource = self.resource(step.place, segment, event.by);
        let holder = self.holders.get(&resource).map_or(Link::NONE, Holders::latest);
        let wait = OpenWait {
            since: step.at,
            cause: event.cause,
            resource,
            holder,
            site: self.names.site(segment, event.detail),
        };
        for unit in self.affected(step, segment, event.subject) {
            self.live[unit.get().expect("it was made")].begin_wait(wait);
        }
        self.lanes[step.place as usize].begin_wait(event.subject, wait);
        self.holds.waited_for(resource);
        if holder == Link::NONE || event.by.domain() != Domain::Lock || is_polled(event.subject) {
            return;
        }
        let start = self.actor(step, segment, event.subject);
        if is_unit(event.subject) {
            self.look_for_cycle(step.at, start);
        } else {
            // It may be in a `block_on`, whose future may begin another wait right now: that of a timeout.
            self.lanes[step.place as usize].may_close_cycle = Some(start);
        }
    }

    /// A thread has begun to wait for a lock, and goes on with something else, or is about to be told of the
    /// end: now all its waits are known.
    fn look_at_thread(&mut self, at: u64, place: usize) {
        if let Some(start) = self.lanes[place].may_close_cycle.take() {
            self.look_for_cycle(at, start);
        }
    }

    fn end_wait(&mut self, step: Step, segment: usize, event: &Event) {
        let resource = self.resource(step.place, segment, event.by);
        for unit in self.affected(step, segment, event.subject) {
            let live = &mut self.live[unit.get().expect("it was made")];
            live.end_wait(step.at, resource, event.cause, unit, &mut self.spans);
        }
        self.lanes[step.place as usize].end_wait(step.at, event.subject, resource, &mut self.lane_spans);
    }

    fn hold(&mut self, step: Step, segment: usize, event: &Event) {
        let holder = self.actor(step, segment, event.by);
        let resource = self.resource(step.place, segment, event.subject);
        if event.subject.domain() == Domain::Lock {
            self.holds.change(step.at, resource, holder, event.kind == Kind::Held);
        }
        let holders = self.holders.entry(resource).or_default();
        if event.kind == Kind::Released {
            return holders.remove(holder);
        }
        holders.add(holder);
        for &unit in self.lanes[step.place as usize].running_task() {
            self.live[unit.get().expect("a running unit is known")].tell_holder(resource, holder);
        }
        self.lanes[step.place as usize].tell_holder(resource, holder);
        if event.subject.domain() == Domain::Call {
            // The child computes it.
            let call = self.unit(step, segment, event.subject);
            let live = &mut self.live[call.get().expect("it was made")];
            live.set(step.at, Some(State::Running), call, &mut self.spans);
        }
    }

    /// The unit that holds, waits or is marked: a task or the like, or a thread.
    fn actor(&mut self, step: Step, segment: usize, id: Id) -> Link {
        if is_unit(id) {
            return self.unit(step, segment, id);
        }
        if !matches!(id.domain(), Domain::Thread | Domain::Worker) {
            return Link::NONE;
        }
        let key = self.key(step.place, id);
        if let Some(&link) = self.numbers.get(&key) {
            return link;
        }
        let process = self.timeline.threads[step.place as usize].process;
        let is_it =
            |place: usize| self.lanes[place].own() == id && self.timeline.threads[place].process == process;
        let Some(place) = (0..self.lanes.len()).find(|&place| is_it(place)) else { return Link::NONE };
        self.names.texts.push(self.timeline.threads[place].name.clone());
        let label = Link::to(self.names.texts.len() - 1);
        let (site, parent, outcome, row) = (Link::NONE, Link::NONE, Outcome::Open, place as u32);
        let (begin, end) = (0, 0);
        self.live.push(Live::new(Unit { id, process, label, site, parent, begin, end, outcome, row }));
        let link = Link::to(self.live.len() - 1);
        self.numbers.insert(key, link);
        link
    }

    fn mark(&mut self, step: Step, segment: usize, event: &Event) {
        let (unit, text) = (self.actor(step, segment, event.subject), self.names.label(segment, event.by));
        self.timeline.marks.push(Mark { at: step.at, row: 0, unit, text, is_fault: false });
    }

    /// The wait that a unit cannot go on without: of a task or future its only one.
    fn wait_of(&self, unit: usize) -> Option<OpenWait> {
        let Unit { id, row, parent, .. } = self.live[unit].unit;
        if !is_unit(id) {
            return self.lanes[row as usize].own_wait();
        }
        let wait = self.live[unit].last_wait()?;
        let is_only = |live: &Live| live.waits_only_for(wait.resource);
        let mut is_stuck = !is_polled(id) || is_only(&self.live[unit]);
        let (mut id, mut parent) = (id, parent);
        for _ in 0..marks::CYCLE_MAX {
            let Some(live) = parent.get().filter(|_| id.domain() == Domain::Future) else { break };
            is_stuck &= is_only(&self.live[live]);
            (id, parent) = (self.live[live].unit.id, self.live[live].unit.parent);
        }
        is_stuck.then_some(wait)
    }

    /// Follows "waits for what is held by" from this unit on. A path that leads back is a deadlock.
    fn look_for_cycle(&mut self, at: u64, start: Link) {
        let mut links = Vec::new();
        let mut unit = start;
        while let Some(index) = unit.get()
            && links.len() < marks::CYCLE_MAX
            && let Some(wait) =
                self.wait_of(index).filter(|wait| wait.cause == Cause::Unlock && wait.resource != Link::NONE)
        {
            links.push((unit, wait.resource));
            unit = wait.holder;
            if unit == start {
                break;
            }
        }
        let mut members: Vec<_> = links.iter().map(|link| link.0).collect();
        members.sort_unstable();
        if links.is_empty() || unit != start || self.cycles.contains(&members) {
            return;
        }
        if self.cycles.len() < marks::CYCLES_MAX {
            let name = |unit: Link| {
                let unit = &self.live[unit.get().expect("the cycle has it")].unit;
                unit.label.get().map_or_else(|| unit.id.to_string(), |label| self.names.texts[label].clone())
            };
            let resource =
                |link: Link| self.names.resources[link.get().expect("it is waited for")].name.as_str();
            let text = marks::cycle(&links, name, resource);
            self.names.texts.push(text.clone());
            let text_link = Link::to(self.names.texts.len() - 1);
            let mark = |&unit| Mark { at, row: 0, unit, text: text_link, is_fault: true };
            self.timeline.marks.extend(members.iter().map(mark));
            self.timeline.notes.push(format!("{text}."));
            self.cycles.push(members);
        }
    }

    fn end(mut self, order: &Order<'_>) -> Told {
        let end = order.steps.last().map_or(0, |step| step.at);
        // A task that blocks its thread has no end of a run, and a thread that waits does nothing more.
        (0..self.live.len()).for_each(|unit| self.look_for_cycle(end, Link::to(unit)));
        for (index, live) in self.live.iter_mut().enumerate() {
            live.close(end, Link::to(index), &mut self.spans);
        }
        self.lanes.iter_mut().for_each(|lane| lane.close(end, &mut self.lane_spans));
        let mut timeline = self.timeline;
        timeline.length = end;
        timeline.events = order.steps.len() as u64;
        timeline.units = self.live.into_iter().map(|live| live.unit).collect();
        timeline.spans = self.spans;
        timeline.texts = self.names.texts;
        timeline.resources = self.names.resources;
        self.holds.close(end);
        for unit in timeline.units.iter_mut().filter(|unit| unit.is_thread()) {
            unit.end = end;
        }
        Told { timeline, lane_spans: self.lane_spans, holds: self.holds, edges: self.edges }
    }
}
