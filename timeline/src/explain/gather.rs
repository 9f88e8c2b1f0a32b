//! From events to strands: one pass through all events.
//!
//! A strand is a small state machine, as in `build/unit.rs`, but nothing is merged and no wait is lost: the
//! piece of a suspended strand gets the wait that ended first after it, whichever began last.
//!
//! Long: the states of a strand and the events that change them are one machine.

use super::strand::{CpuSample, Doing, Hold, Index, Key, Piece, Strand, Strands, ThreadFacts, WaitFor};
use crate::build::order::{Order, Step};
use brigade_trace::{Cause, Domain, Event, Id, Kind, Lane, Mode, Recording};
use std::collections::HashMap;

/// A strand has at most so many waits at a time. A file may name any number; then the oldest are forgotten.
const WAITS_MAX: usize = 64;
/// Strands nest at most so deep on a thread.
const FRAMES_MAX: usize = 256;

/// The state of a strand while the events are gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not spawned yet, or ended.
    Out,
    Ready,
    Running(usize),
    InChild,
    Covered(Index),
    Waiting,
    Parked,
}

/// The state of a strand that is kept only while the events are gone through.
struct Live {
    state: State,
    since: u64,
    /// When its present run began.
    run_since: u64,
    woken: bool,
    waits: Vec<WaitFor>,
    /// The last piece that is a wait, while what ended it is not known for sure.
    pending: Option<usize>,
}

/// The pass.
pub(super) struct Gather<'a> {
    recording: &'a Recording,
    strands: Strands,
    live: Vec<Live>,
    stacks: Vec<Vec<Index>>,
    /// When each thread last parked, or began to run a strand.
    driven_at: Vec<Option<u64>>,
    holders: HashMap<Key, Vec<Index>>,
    /// The last strand that ran on behalf of a resource, for the stolen half of a join.
    last_holder: HashMap<Key, Index>,
    /// When each child process answered last.
    answered_at: HashMap<Index, u64>,
    /// When each resource became free, or ready, last.
    freed_at: HashMap<Key, u64>,
    sites: HashMap<(usize, u64), u32>,
    site_numbers: HashMap<&'a str, u32>,
    processes: Vec<(usize, u32)>,
    /// The time of the first event, which the deadlines of timers do not count from.
    first: u64,
}

/// Goes through the events of a recording.
pub(super) fn strands(recording: &Recording) -> Strands {
    let order = Order::of(recording);
    let mut gather = Gather {
        recording,
        strands: Strands::default(),
        live: Vec::new(),
        stacks: vec![Vec::new(); order.places.len()],
        driven_at: vec![None; order.places.len()],
        holders: HashMap::new(),
        last_holder: HashMap::new(),
        answered_at: HashMap::new(),
        freed_at: HashMap::new(),
        sites: HashMap::new(),
        site_numbers: HashMap::new(),
        processes: Vec::new(),
        first: order.first,
    };
    gather.introduce(&order);
    for &step in &order.steps {
        gather.event(step, order.places[step.place as usize].segment, order.event(step));
    }
    gather.finish(&order)
}

impl<'a> Gather<'a> {
    /// Makes the threads.
    fn introduce(&mut self, order: &Order<'_>) {
        for place in &order.places {
            let segment = &self.recording.segments[place.segment];
            let thread = &segment.trace.threads[place.thread];
            let pid = if thread.process == 0 { segment.process.pid } else { thread.process };
            let known = self.processes.iter().position(|&process| process == (place.segment, pid));
            let process = known.unwrap_or_else(|| {
                self.processes.push((place.segment, pid));
                self.processes.len() - 1
            }) as u32;
            let strand = self.make(thread.id, process, place.segment, 0);
            self.strands.all[strand].name.clone_from(&thread.name);
            self.live[strand].state = State::Running(self.strands.threads.len());
            let cpu = Vec::new();
            let is_blind = thread.dropped > 0 && thread.mode == Mode::KeepFirst;
            let last = thread.events.last().map_or(0, |event| event.at);
            let blind_from = is_blind.then(|| order.at(*place, last));
            self.strands.dropped = self.strands.dropped.saturating_add(thread.dropped);
            self.strands.threads.push(ThreadFacts { process, lane: thread.lane, strand, cpu, blind_from });
        }
    }

    fn make(&mut self, id: Id, process: u32, segment: usize, at: u64) -> Index {
        let trace = &self.recording.segments[segment].trace;
        let name = match trace.labels.get(&id) {
            Some(label) if !label.contains(".rs:") => label.clone(),
            _ => id.to_string(),
        };
        let state = State::Out;
        let (waits, pending, woken) = (Vec::new(), None, false);
        self.live.push(Live { state, since: at, run_since: at, woken, waits, pending });
        self.strands.children.push(Vec::new());
        let (site, parent, owner, pieces) = (None, None, None, Vec::new());
        let (begin, end, has_ended) = (at, at, false);
        self.strands.all.push(Strand {
            id,
            name,
            site,
            parent,
            owner,
            begin,
            end,
            has_ended,
            process,
            pieces,
        });
        self.strands.all.len() - 1
    }

    fn key(&self, place: usize, id: Id) -> Key {
        let is_shared = matches!(id.domain(), Domain::Call | Domain::Child);
        (if is_shared { u32::MAX } else { self.strands.threads[place].process }, id)
    }

    /// The strand of an id as the thread at `place` sees it; the thread's own for an id that is no unit.
    fn strand(&mut self, step: Step, segment: usize, id: Id) -> Index {
        let place = step.place as usize;
        if !is_unit(id) {
            return self.strands.threads[place].strand;
        }
        let key = self.key(place, id);
        if let Some(&known) = self.strands.numbers.get(&key) {
            return known;
        }
        let strand = self.make(id, self.strands.threads[place].process, segment, step.at);
        self.strands.numbers.insert(key, strand);
        strand
    }

    fn site(&mut self, segment: usize, number: u64) -> Option<u32> {
        if let Some(&known) = self.sites.get(&(segment, number)) {
            return Some(known);
        }
        let recording: &'a Recording = self.recording;
        let text: &'a str = recording.segments[segment].trace.sites.get(&number)?;
        let texts = &mut self.strands.texts;
        let index = *self.site_numbers.entry(text).or_insert_with(|| {
            texts.push(text.to_owned());
            texts.len() as u32 - 1
        });
        self.sites.insert((segment, number), index);
        Some(index)
    }

    fn event(&mut self, step: Step, segment: usize, event: &Event) {
        let (at, place) = (step.at, step.place as usize);
        let own = self.strands.threads[place].strand;
        match event.kind {
            Kind::Cpu => {
                let has_slept = event.cause == Cause::Yield;
                self.strands.threads[place].cpu.push(CpuSample { at, used: event.detail, has_slept });
            }
            Kind::Park => {
                self.driven_at[place] = Some(at);
                if self.stacks[place].is_empty() {
                    self.live[own].pending = None;
                    self.change(own, at, State::Parked);
                }
            }
            Kind::Unpark if self.live[own].state == State::Parked => {
                self.suspended(own, at, Cause::Unknown);
                self.change_quietly(own, at, State::Running(place));
            }
            Kind::Readiness => {
                let key = self.key(place, event.subject);
                self.freed_at.insert(key, at);
            }
            Kind::TimerSet => self.timer_set(step, segment, event),
            Kind::WaitBegin => self.begin_wait(step, segment, event),
            Kind::WaitEnd => self.end_wait(step, segment, event),
            Kind::Held | Kind::Released => self.hold(step, segment, event),
            _ if is_unit(event.subject) => self.unit_event(step, segment, event),
            _ => {}
        }
    }

    fn unit_event(&mut self, step: Step, segment: usize, event: &Event) {
        let (at, place) = (step.at, step.place as usize);
        let strand = self.strand(step, segment, event.subject);
        // The parent says that a child process has begun a call; no thread here runs it.
        let is_call = event.subject.domain() == Domain::Call;
        match event.kind {
            Kind::Spawn => {
                let parent = self.strand(step, segment, event.by);
                let site = self.site(segment, event.detail);
                let all = &mut self.strands.all;
                (all[strand].parent, all[strand].site, all[strand].begin) = (Some(parent), site, at);
                self.strands.children[parent].push(strand);
                self.change(strand, at, State::Ready);
            }
            Kind::RunBegin if is_call => {
                // Until the child itself says so, the call stood in its queue.
                let is_child = self.strands.threads[place].lane == Lane::Child;
                if is_child && self.live[strand].state == State::InChild {
                    self.live[strand].state = State::Ready;
                }
                self.change(strand, at, State::InChild);
            }
            Kind::RunEnd if is_call => {}
            Kind::RunBegin => self.run(strand, at, place),
            Kind::RunEnd => self.stop(strand, at, place, event.detail == 1),
            Kind::Wake => self.wake(strand, at, event.cause),
            Kind::Complete | Kind::Exit => self.complete(strand, at),
            Kind::Fork => self.change(strand, at, State::InChild),
            _ => {}
        }
    }

    /// Ends the piece of the present state.
    fn change(&mut self, strand: Index, at: u64, state: State) {
        if matches!(self.live[strand].state, State::Waiting | State::Parked) {
            self.suspended(strand, at, Cause::Unknown);
        }
        self.change_quietly(strand, at, state);
    }

    fn change_quietly(&mut self, strand: Index, at: u64, state: State) {
        let live = &mut self.live[strand];
        let doing = match live.state {
            State::Out | State::Waiting | State::Parked => None,
            State::Ready => Some(Doing::Ready),
            State::Running(thread) => Some(Doing::Run { thread }),
            State::InChild => Some(Doing::InChild),
            State::Covered(by) => Some(Doing::Covered { by }),
        };
        let (begin, end) = (live.since, at);
        let pieces = &mut self.strands.all[strand].pieces;
        pieces.extend(doing.filter(|_| end > begin).map(|doing| Piece { begin, end, doing }));
        (live.state, live.since) = (state, at);
    }

    /// Ends the piece of a strand that was suspended, with the wait that explains it best so far.
    fn suspended(&mut self, strand: Index, at: u64, because: Cause) {
        let live = &mut self.live[strand];
        let (begin, end) = (live.since, at);
        if end > begin {
            let best = live.waits.iter().rev().find(|wait| wait.cause == because);
            let together = |wait: &WaitFor| count(&live.waits, wait.cause);
            let best = best.or(live.waits.last()).map(|wait| WaitFor { together: together(wait), ..*wait });
            let doing = match best {
                Some(wait) => Doing::Wait(wait),
                None if live.state == State::Parked => Doing::Parked,
                None => Doing::Wait(WaitFor::unknown(begin, because)),
            };
            let pieces = &mut self.strands.all[strand].pieces;
            pieces.push(Piece { begin, end, doing });
            live.pending = Some(pieces.len() - 1);
        }
        live.since = at;
    }

    fn run(&mut self, strand: Index, at: u64, place: usize) {
        self.driven_at[place] = Some(at);
        let below = self.stacks[place].last().copied().unwrap_or(self.strands.threads[place].strand);
        let is_future = self.strands.all[strand].id.domain() == Domain::Future;
        if is_future {
            // The task goes on running: the future is a part of it.
            let owner = self.strands.all[below].owner.unwrap_or(below);
            let future = &mut self.strands.all[strand];
            (future.owner, future.parent) = (Some(owner), future.parent.or(Some(below)));
        } else {
            let base = self.strands.all[below].owner.unwrap_or(below);
            if matches!(self.live[base].state, State::Running(_)) {
                self.change(base, at, State::Covered(strand));
            }
        }
        self.change(strand, at, State::Running(place));
        self.live[strand].run_since = at;
        self.live[strand].woken = false;
        if self.stacks[place].len() < FRAMES_MAX {
            self.stacks[place].push(strand);
        }
    }

    fn stop(&mut self, strand: Index, at: u64, place: usize, is_complete: bool) {
        let next = match (is_complete, self.live[strand].woken) {
            (true, _) => State::Out,
            (false, true) => State::Ready,
            (false, false) => State::Waiting,
        };
        self.live[strand].pending = None;
        self.change(strand, at, next);
        if is_complete {
            let strand = &mut self.strands.all[strand];
            (strand.end, strand.has_ended) = (at, true);
        }
        // A run that began before the recording has no frame.
        let Some(frame) = self.stacks[place].iter().rposition(|&frame| frame == strand) else { return };
        self.stacks[place].truncate(frame);
        let below = self.stacks[place].last().copied().unwrap_or(self.strands.threads[place].strand);
        let base = self.strands.all[below].owner.unwrap_or(below);
        if matches!(self.live[base].state, State::Covered(_)) {
            self.change(base, at, State::Running(place));
        }
    }

    fn wake(&mut self, strand: Index, at: u64, because: Cause) {
        match self.live[strand].state {
            State::Waiting => {
                self.suspended(strand, at, because);
                self.change_quietly(strand, at, State::Ready);
            }
            State::Running(_) | State::Covered(_) => self.live[strand].woken = true,
            _ => {}
        }
    }

    fn complete(&mut self, strand: Index, at: u64) {
        if !matches!(self.live[strand].state, State::Running(_) | State::Covered(_)) {
            self.change(strand, at, State::Out);
        }
        let strand = &mut self.strands.all[strand];
        if !strand.has_ended {
            (strand.end, strand.has_ended) = (at, true);
        }
    }

    /// A timer was set: the deadline of the wait that has just begun.
    fn timer_set(&mut self, step: Step, segment: usize, event: &Event) {
        let strand = self.strand(step, segment, event.by);
        let due = event.detail.saturating_sub(self.first).max(step.at);
        for strand in self.with_owner(strand) {
            let mut waits = self.live[strand].waits.iter_mut().rev();
            if let Some(wait) = waits.find(|wait| wait.cause == Cause::Timer) {
                wait.done_at.get_or_insert(due);
            }
        }
    }

    /// The strand, and the task whose part it is.
    fn with_owner(&self, strand: Index) -> impl Iterator<Item = Index> + use<> {
        [Some(strand), self.strands.all[strand].owner].into_iter().flatten()
    }

    fn begin_wait(&mut self, step: Step, segment: usize, event: &Event) {
        let strand = self.strand(step, segment, event.subject);
        let resource = self.key(step.place as usize, event.by);
        let holder = self.holders.get(&resource).and_then(|holders| holders.last().copied());
        let site = self.site(segment, event.detail);
        let wait = WaitFor { site, holder, resource, ..WaitFor::unknown(step.at, event.cause) };
        for strand in self.with_owner(strand) {
            let live = &mut self.live[strand];
            if live.waits.len() == WAITS_MAX {
                live.waits.remove(0);
            }
            live.waits.push(wait);
            if live.state == State::Ready && strand != self.strands.threads[step.place as usize].strand {
                // A call waits for a free worker before it runs.
                self.change_quietly(strand, step.at, State::Waiting);
            }
        }
    }

    fn end_wait(&mut self, step: Step, segment: usize, event: &Event) {
        let strand = self.strand(step, segment, event.subject);
        let resource = self.key(step.place as usize, event.by);
        let freed = self.freed_at.get(&resource).copied();
        let is_served = event.cause != Cause::Cancel;
        for strand in self.with_owner(strand) {
            let live = &mut self.live[strand];
            let Some(found) = live.waits.iter().rposition(|wait| wait.resource == resource) else { continue };
            let together = count(&live.waits, live.waits[found].cause);
            let wait = live.waits.remove(found);
            let done_at = wait.done_at.or(freed.filter(|&at| at >= wait.since && is_served));
            let is_join = matches!(wait.cause, Cause::Join | Cause::Reply);
            let late = self.last_holder.get(&resource).copied().filter(|_| is_join);
            let wait = WaitFor { done_at, together, holder: wait.holder.or(late), ..wait };
            self.explain_pending(strand, wait, is_served);
            let place = step.place as usize;
            let own = (self.strands.threads[place].strand == strand).then_some(place);
            if self.is_blocking(strand, own, &wait) {
                self.blocked(strand, step.at, wait);
            } else if self.live[strand].state == State::Waiting && self.live[strand].waits.is_empty() {
                let is_call = self.strands.all[strand].id.domain() == Domain::Call;
                if is_call {
                    self.call_is_free(strand, step.at, wait);
                }
            }
        }
    }

    /// A call has a worker now.
    fn call_is_free(&mut self, strand: Index, at: u64, wait: WaitFor) {
        let live = &mut self.live[strand];
        let (begin, end) = (live.since, at);
        if end > begin {
            self.strands.all[strand].pieces.push(Piece { begin, end, doing: Doing::Wait(wait) });
        }
        (live.state, live.since) = (State::Ready, at);
    }

    /// The wait that ends first after a strand was suspended is what it was suspended for.
    fn explain_pending(&mut self, strand: Index, wait: WaitFor, is_served: bool) {
        let live = &mut self.live[strand];
        let Some(pending) = live.pending else { return };
        let piece = &mut self.strands.all[strand].pieces[pending];
        if is_served && wait.since < piece.end {
            piece.doing = Doing::Wait(wait);
            live.pending = None;
        }
    }

    /// The strand's thread was blocked since the wait began. Waits within it stay what they are.
    fn blocked(&mut self, strand: Index, at: u64, wait: WaitFor) {
        let state = self.live[strand].state;
        self.change_quietly(strand, at, state);
        let pieces = &mut self.strands.all[strand].pieces;
        let first = pieces.partition_point(|piece| piece.end <= wait.since);
        if let Some(&straddling) = pieces.get(first).filter(|piece| piece.begin < wait.since) {
            pieces[first].end = wait.since;
            pieces.insert(first + 1, Piece { begin: wait.since, ..straddling });
        }
        for piece in pieces.iter_mut().filter(|piece| piece.begin >= wait.since) {
            if matches!(piece.doing, Doing::Run { .. } | Doing::Parked) {
                piece.doing = Doing::Wait(wait);
            }
        }
    }

    fn hold(&mut self, step: Step, segment: usize, event: &Event) {
        let resource = self.key(step.place as usize, event.subject);
        let holder = self.strand(step, segment, event.by);
        if event.kind == Kind::Released {
            self.answered(step, resource, holder);
        }
        let holders = self.holders.entry(resource).or_default();
        let known = holders.iter().rposition(|&other| other == holder);
        if event.kind == Kind::Released {
            if let Some(known) = known.or((!holders.is_empty()).then_some(0)) {
                let holder = holders.remove(known);
                self.note_hold(holder, Hold { at: step.at, resource, is_taken: false });
            }
            self.freed_at.insert(resource, step.at);
            return;
        }
        self.last_holder.insert(resource, holder);
        if known.is_none() && holders.len() < FRAMES_MAX {
            holders.push(holder);
            self.note_hold(holder, Hold { at: step.at, resource, is_taken: true });
        }
        let place = step.place as usize;
        let running = self.stacks[place].last().copied().unwrap_or(self.strands.threads[place].strand);
        for strand in self.with_owner(running) {
            let waits = self.live[strand].waits.last_mut();
            if let Some(wait) = waits.filter(|wait| wait.resource == resource) {
                wait.holder = Some(holder);
            }
        }
        if event.subject.domain() == Domain::Call {
            let call = self.strand(step, segment, event.subject);
            self.change(call, step.at, State::InChild);
        }
    }

    /// A child process has answered a call. It runs one at a time, so until the answer before, the call stood
    /// in its queue.
    fn answered(&mut self, step: Step, call: Key, child: Index) {
        let Some(&call) = self.strands.numbers.get(&call).filter(|_| call.1.domain() == Domain::Call) else {
            return;
        };
        let before = self.answered_at.insert(child, step.at).unwrap_or(0);
        let since = self.live[call].since;
        if self.live[call].state == State::InChild && before > since {
            let piece = Piece { begin: since, end: before, doing: Doing::Ready };
            self.strands.all[call].pieces.push(piece);
            self.live[call].since = before;
        }
    }

    fn note_hold(&mut self, holder: Index, hold: Hold) {
        if matches!(hold.resource.1.domain(), Domain::Lock | Domain::Semaphore) {
            self.strands.holds_of.entry(holder).or_default().push(self.strands.holds.len());
            self.strands.holds.push(hold);
        }
    }

    /// Whether the thread of a strand was blocked since the wait began. If the strand is the thread's own,
    /// `own` is the place of the thread.
    fn is_blocking(&self, strand: Index, own: Option<usize>, wait: &WaitFor) -> bool {
        let live = &self.live[strand];
        match own {
            Some(place) => self.driven_at[place].is_none_or(|driven| driven < wait.since),
            None => matches!(live.state, State::Running(_)) && wait.since >= live.run_since,
        }
    }

    /// A recording that is cut off ends within waits, whose threads are blocked.
    fn block_at_the_end(&mut self, strand: Index, end: u64) {
        let own = self.strands.threads.iter().position(|thread| thread.strand == strand);
        let open = self.live[strand].waits.iter().find(|wait| self.is_blocking(strand, own, wait));
        if let Some(&wait) = open {
            self.blocked(strand, end, wait);
        }
    }

    fn finish(mut self, order: &Order<'_>) -> Strands {
        let end = order.steps.last().map_or(0, |step| step.at);
        self.strands.length = end;
        for strand in 0..self.live.len() {
            self.block_at_the_end(strand, end);
            if self.live[strand].state != State::Out {
                self.strands.all[strand].end = end;
            }
            self.change(strand, end, State::Out);
            // A file may say that something ended before it began.
            let strand = &mut self.strands.all[strand];
            strand.end = strand.end.max(strand.begin);
        }
        for (process, &(segment, _)) in (0..).zip(&self.processes) {
            let labels = &self.recording.segments[segment].trace.labels;
            self.strands.labels.extend(labels.iter().map(|(&id, text)| ((process, id), text.clone())));
        }
        self.strands
    }
}

/// How many of the waits are for the same kind of thing.
fn count(waits: &[WaitFor], cause: Cause) -> u32 {
    waits.iter().filter(|wait| wait.cause == cause).count() as u32
}

/// Whether events about this id are about a strand other than a thread.
fn is_unit(id: Id) -> bool {
    matches!(id.domain(), Domain::Task | Domain::Job | Domain::Call | Domain::Future | Domain::Child)
}
