//! The allocation of a task. Only this file and `cell/waker.rs` know its layout and follow raw pointers to
//! it.
//!
//! Long: the code that follows these pointers must not be spread over more files.
//!
//! The numbered rules are those at the head of `task/mod.rs`. To follow a task through this file, read
//! `memory::take` and `memory::give` as malloc and free, and `executor.view()` as the executor. The functions
//! of `origin` write the trace: `origin.begin` is not the transition `state.begin`.

mod waker;

pub(crate) use waker::cancel_by;

use super::{
    memory::{self, Size},
    name,
    state::{AfterPoll, AfterWake, Begin, Release, TaskState},
};
use crate::{
    executor::reference::{ExecutorBorrow, ExecutorRef, ExecutorView},
    shim::UnsafeCell,
};
use brigade_handle::{CancelHandle, CancelVerbs, Counted, Heir, JoinError, JoinHandle, Look, Place};
use brigade_handle::{Rendezvous, Signal, contain, note_unseen};
use brigade_trace::{Cause, Domain::Task as TASK, Id, Kind, Origin, because, gap, live, on};
use std::{
    future::Future,
    mem::{ManuallyDrop, needs_drop},
    panic::{AssertUnwindSafe, Location, catch_unwind},
    pin::Pin,
    ptr::NonNull,
    task::{Context, Poll, RawWaker, Waker},
};

/// The index of a task that is in no list of its executor.
pub(crate) const UNLISTED: u32 = u32::MAX;

struct Header {
    state: TaskState,
    vtable: &'static Vtable,
    executor: ExecutorRef,
    origin: Origin,
    /// The note of the signal is the index of the task in the list of its executor.
    signal: Signal,
}

/// The functions that depend on the type of the future. Each is called with a pointer to the header of a
/// `Cell` of that type.
struct Vtable {
    /// Runs the task once. The caller has the entry.
    run: unsafe fn(NonNull<Header>) -> AfterPoll,
    /// Completes the task without running it. The caller has the entry.
    cancel: unsafe fn(NonNull<Header>),
    size: Size,
}

// The header comes first, so that a pointer to it is a pointer to the cell.
#[repr(C)]
struct Cell<F: Future> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
}

/// The future of a task, and later its output, both at the beginning of the stage. The state word and the
/// signal say which of the two it is (rule 6).
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<Result<F::Output, JoinError>>,
}

// SAFETY: only the runner and the handle reach a future and its output. For `spawn` both are Send. A future
// from `spawn_local` is run, dropped and completed on its own thread by its executor, and its handle is
// Send only if the output is.
unsafe impl<F: Future> Send for Cell<F> {}
// SAFETY: as for Send; several threads at once may reach only the state word, the signal, and parts that
// are read only.
unsafe impl<F: Future> Sync for Cell<F> {}

/// Makes a task. The entry must be run or dropped on the executor that is passed here.
#[inline]
pub(crate) fn new<F: Future>(
    future: F,
    at: ExecutorBorrow<'_>,
    spawned_at: &'static Location<'static>,
) -> (Task, JoinHandle<F::Output>) {
    let (block, executor) = memory::take(const { Size::of::<Cell<F>>() }, at);
    let header = Header {
        state: TaskState::new(),
        vtable: &Vtable { run: run::<F>, cancel: cancel::<F>, size: const { Size::of::<Cell<F>>() } },
        executor,
        origin: Origin::NONE,
        signal: Signal::joined(UNLISTED),
    };
    let cell = block.cast::<Cell<F>>();
    let stage = UnsafeCell::new(Stage { future: ManuallyDrop::new(future) });
    // SAFETY: the block is large enough and aligned for a cell of this type, and nobody else's.
    unsafe { cell.write(Cell { header, stage }) };
    if on() {
        // SAFETY: the cell is complete, and nobody else's yet.
        unsafe { record_spawn(cell.cast(), spawned_at) };
    }
    // A pointer that is made from a reference may touch only what that reference may (its provenance).
    // `cancel` starts from a reference that the handle made, and needs the pointer to the whole cell.
    cell.as_ptr().expose_provenance();
    let target: NonNull<dyn Counted<F::Output> + '_> = cell;
    // SAFETY: this changes nothing but the lifetime of the trait object, which the handle's T bounds as
    // well. The handle does nothing with the future's own data, because rule 2 keeps that to the runner.
    let target: NonNull<dyn Counted<F::Output>> = unsafe { std::mem::transmute(target) };
    // SAFETY: the state word starts with a reference for the handle, which `release_handle` gives back; the
    // signal is new, so this is its only joiner.
    let handle = unsafe { JoinHandle::from_raw(target, release_handle) };
    (Task { header: cell.cast() }, handle)
}

/// Gives a new task its origin, and shows it to the trace. It is called before there is a handle, which
/// would have to be dropped if this panicked.
///
/// # Safety
///
/// Nobody else has a pointer to the header.
#[cold]
#[inline(never)]
unsafe fn record_spawn(mut header: NonNull<Header>, at: &'static Location<'static>) {
    let origin = Origin::spawned_at(TASK, at);
    // SAFETY: the header is this thread's alone.
    unsafe { header.as_mut() }.origin = origin;
    live::watch_task(origin.id(TASK), || {
        // SAFETY: the header is valid, and the new reference is the cancel handle's.
        unsafe { retain(header.cast()) };
        // SAFETY: it has that reference, and the verbs are those of a task.
        unsafe { CancelHandle::from_raw(header.cast(), &CANCEL_VERBS) }
    });
}

/// Gives back the handle's reference, or a cancel handle's.
///
/// # Safety
///
/// As for `Release` in brigade-handle.
unsafe fn release_handle(target: NonNull<()>) {
    // SAFETY: the pointer is the cell's, whose header comes first. The handle gives its own reference back.
    unsafe { release(target.cast()) };
}

/// The same for all types of future: a cancel handle touches only the header.
static CANCEL_VERBS: CancelVerbs = CancelVerbs {
    cancel: cancel_by_handle,
    is_finished,
    id,
    look: Some(look),
    retain,
    release: release_handle,
};

/// Cancels the task.
///
/// # Safety
///
/// The target is a header to which the caller has a reference.
unsafe fn cancel_by_handle(target: NonNull<()>) {
    // SAFETY: the caller's reference keeps the header alive.
    request_cancel(unsafe { target.cast().as_ref() }, target.cast());
}

/// Tells whether the task has ended. Without a handle it does not complete its signal.
///
/// # Safety
///
/// As for `cancel_by_handle`.
unsafe fn is_finished(target: NonNull<()>) -> bool {
    // SAFETY: the caller's reference keeps the header alive.
    let header: &Header = unsafe { target.cast().as_ref() };
    header.signal.is_finished() || header.state.is_complete()
}

/// Returns the id of the task.
///
/// # Safety
///
/// As for `cancel_by_handle`.
unsafe fn id(target: NonNull<()>) -> Id {
    // SAFETY: the caller's reference keeps the header alive.
    unsafe { target.cast::<Header>().as_ref() }.origin.id(TASK)
}

/// Shows the state of the task.
///
/// # Safety
///
/// As for `cancel_by_handle`.
unsafe fn look(target: NonNull<()>) -> Look {
    // SAFETY: the caller's reference keeps the header alive.
    let header: &Header = unsafe { target.cast().as_ref() };
    // The task's own reference and the handle's wake nobody.
    let ((is_idle, references), has_handle) = (header.state.look(), !header.signal.is_detached());
    Look { is_idle, wakers: references.saturating_sub(1 + usize::from(has_handle)), has_handle }
}

/// Adds a reference.
///
/// # Safety
///
/// As for `cancel_by_handle`.
unsafe fn retain(target: NonNull<()>) {
    // SAFETY: the caller's reference keeps the header alive.
    unsafe { target.cast::<Header>().as_ref() }.state.retain();
}

/// Gives one reference back.
///
/// # Safety
///
/// The caller has that reference and does not use it again.
#[inline]
unsafe fn release(header: NonNull<Header>) {
    // SAFETY: the caller's reference keeps the header alive until the next line at least.
    let state = unsafe { &header.as_ref().state };
    if state.release() == Release::Last {
        // SAFETY: this was the last reference.
        unsafe { free(header) };
    }
}

/// Frees the cell, whose stage holds nothing any more (rule 6).
///
/// # Safety
///
/// There is no reference any more.
unsafe fn free(header: NonNull<Header>) {
    // SAFETY: nobody has a reference, and this is moved out once.
    let Header { vtable, executor, signal, .. } = unsafe { header.read() };
    // SAFETY: the block is from `take` with this size, as is the reference to the executor, and both are
    // nobody's.
    unsafe { memory::give(header.cast(), vtable.size, executor) };
    // A waker that is left is foreign code, and may panic.
    drop(signal);
}

/// The outcome of a run.
#[must_use]
pub(crate) enum Outcome {
    /// The task waits, or is complete. The runner has nothing more to do with it.
    Done,
    /// The task was woken while it ran. The runner pushes it behind the others.
    Again(Task),
}

/// An entry: the right to run a task once (rule 1). Dropping it instead cancels the task here and now.
pub(crate) struct Task {
    header: NonNull<Header>,
}

// SAFETY: by rules 1 to 4 an entry may be run on any thread of its executor; executors keep the entries of
// local tasks on their thread while they run or drop them.
unsafe impl Send for Task {}

impl Task {
    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: while the entry exists the task is not complete, so its own reference keeps it alive
        // (rule 3).
        unsafe { self.header.as_ref() }
    }

    /// Runs the task: one poll, or the dropping of its future if it was cancelled.
    #[inline]
    pub(crate) fn run(self) -> Outcome {
        let this = ManuallyDrop::new(self);
        let run = this.header().vtable.run;
        // SAFETY: the entry is used up here.
        match unsafe { run(this.header) } {
            AfterPoll::Idle => Outcome::Done,
            AfterPoll::Again => Outcome::Again(Self { header: this.header }),
        }
    }

    /// Stores the index of the task in the list of its executor, which removes it there when it is
    /// complete. The runner, or the thread that has the entry, writes and reads it; an entry travels
    /// through a queue that synchronises.
    #[inline]
    pub(crate) fn set_list_index(&self, place: u32) {
        self.header().signal.set_note(place);
    }

    /// Leaves a refused task as it is, if too many were refused in a row (`task/refusal.rs`): its future is
    /// not dropped, its handle is never ready, and its memory is not freed. Only the executor stops counting
    /// it.
    pub(super) fn abandon(self) {
        let this = ManuallyDrop::new(self);
        this.header().executor.view().release(this.header().signal.note());
    }

    /// The task's id in a trace.
    #[cfg(feature = "explore")]
    pub(crate) fn id(&self) -> Id {
        self.header().origin.id(TASK)
    }

    /// A reference for the list of an executor.
    #[inline]
    pub(crate) fn to_ref(&self) -> TaskRef {
        TaskRef { header: self.header }
    }

    /// Turns the entry into a pointer, for a queue of atomics.
    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<()> {
        ManuallyDrop::new(self).header.cast()
    }

    /// Turns a pointer back into its entry.
    ///
    /// # Safety
    ///
    /// The pointer is from `into_raw`, and becomes an entry once.
    #[inline]
    pub(crate) unsafe fn from_raw(raw: NonNull<()>) -> Self {
        Self { header: raw.cast() }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let cancel = self.header().vtable.cancel;
        // SAFETY: the entry is used up here.
        unsafe { cancel(self.header) };
    }
}

/// A task in the list of its executor. The list must drop this before the task is complete.
pub(crate) struct TaskRef {
    header: NonNull<Header>,
}

// SAFETY: the only operation is `cancel`, which any thread may call.
unsafe impl Send for TaskRef {}

impl TaskRef {
    /// Cancels the task.
    pub(crate) fn cancel(&self) {
        // SAFETY: the list drops its references before the task is complete, so the task's own reference
        // lives (rule 3).
        request_cancel(unsafe { self.header.as_ref() }, self.header);
    }
}

/// The caller's borrow proves that a reference exists for as long as this runs (rule 5).
fn request_cancel(header: &Header, pointer: NonNull<Header>) {
    header.origin.record(TASK, Kind::Cancel, 0);
    if header.state.cancel() == AfterWake::Schedule {
        because(Cause::Cancel, || header.origin.record(TASK, Kind::Wake, 0));
        header.executor.view().schedule(Task { header: pointer });
    }
}

// SAFETY: the output lies at the beginning of the stage when the signal is completed, and is the heir's
// alone (rule 6); the runner has the task's own reference.
unsafe impl<F: Future> Rendezvous<F::Output> for Cell<F> {
    #[inline]
    fn signal(&self) -> &Signal {
        &self.header.signal
    }

    #[inline]
    fn place(&self) -> Place<'_, F::Output> {
        let stage = self.stage.with_mut(|stage| NonNull::new(stage).expect("a cell has an address"));
        // SAFETY: the output lies at the beginning of the stage from `complete` on, and is the heir's alone
        // (rule 6).
        unsafe { Place::new(stage.cast()) }
    }

    fn cancel(&self) {
        let address = NonNull::from(self).addr();
        request_cancel(&self.header, NonNull::with_exposed_provenance(address));
    }

    fn id(&self) -> Id {
        self.header.origin.id(TASK)
    }
}

// SAFETY: the task counts its references, and any thread may cancel it or give one back.
unsafe impl<F: Future> Counted<F::Output> for Cell<F> {
    fn cancel_verbs(&self) -> &'static CancelVerbs {
        &CANCEL_VERBS
    }
}

/// `Vtable::run` for this type of future.
///
/// # Safety
///
/// The caller has the entry, which this uses up or gives back.
unsafe fn run<F: Future>(header: NonNull<Header>) -> AfterPoll {
    let whole = header.cast::<Cell<F>>();
    // SAFETY: the caller has the entry, so the task's own reference keeps the cell alive until the task is
    // complete, or idle.
    let cell = unsafe { whole.as_ref() };
    let began = cell.header.state.begin();
    cell.header.origin.begin(TASK);
    let executor = cell.header.executor.view();
    // The executor lists its waiting tasks, to cancel them when it ends: a task when its first poll is
    // pending, and a task of `spawn_local` when it is spawned.
    let is_new = cell.header.signal.note() == UNLISTED;
    let polled = match began {
        // SAFETY: `begin` made this thread the runner.
        Begin::Poll if !is_new || !executor.is_closing() => unsafe { poll(cell, header) },
        // SAFETY: as above.
        Begin::Poll | Begin::Cancel => return unsafe { complete_cancelled(whole) },
    };
    match polled {
        // SAFETY: this thread is the runner still, and the result is the first.
        Poll::Ready(result) => unsafe { complete(whole, result) },
        Poll::Pending if !is_new || list(&executor, header) => {
            cell.header.origin.end(TASK);
            // The cell may be gone once this returns `Idle`.
            cell.header.state.end()
        }
        // SAFETY: as for `complete`.
        Poll::Pending => unsafe { complete_cancelled(whole) },
    }
}

/// Makes the executor list a task that is pending for the first time. Returns false if the executor is
/// ending: then the task has to end, too.
fn list(executor: &ExecutorView<'_>, header: NonNull<Header>) -> bool {
    let place = executor.list(TaskRef { header });
    // No second entry: this is never run or dropped, and only stores the index.
    let task = ManuallyDrop::new(Task { header });
    place.inspect(|&place| task.set_list_index(place)).is_some()
}

/// `Vtable::cancel` for this type of future.
///
/// # Safety
///
/// The caller has the entry, which this uses up.
unsafe fn cancel<F: Future>(header: NonNull<Header>) {
    // SAFETY: the caller has the entry, so the task's own reference keeps the header alive until the task
    // is complete.
    let this = unsafe { header.as_ref() };
    // In either case this thread is the runner now, and ends the task.
    let (Begin::Poll | Begin::Cancel) = this.state.begin();
    // SAFETY: this thread is the runner.
    let (AfterPoll::Idle | AfterPoll::Again) = unsafe { complete_cancelled(header.cast::<Cell<F>>()) };
}

/// Polls the future. A panic of the future is a result.
///
/// # Safety
///
/// The caller is the runner.
#[inline]
unsafe fn poll<F: Future>(cell: &Cell<F>, header: NonNull<Header>) -> Poll<Result<F::Output, JoinError>> {
    // The waker uses the task's own reference, which the runner holds. So the waker is not dropped.
    let raw = RawWaker::new(header.as_ptr().cast_const().cast(), &waker::WAKER);
    // SAFETY: the functions of WAKER keep the contract of `RawWaker`, and the data is a header.
    let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw) });
    let mut context = Context::from_waker(&waker);
    let polled = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the future is the runner's (rule 2).
        let future = cell.stage.with_mut(|stage| unsafe { &mut *stage.cast::<F>() });
        // SAFETY: the future lies in the task's allocation, and is dropped there without having been moved.
        unsafe { Pin::new_unchecked(future) }.poll(&mut context)
    }));
    match polled {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(payload) => Poll::Ready(Err(JoinError::panicked(payload))),
    }
}

/// Ends the task without a result of its own.
///
/// # Safety
///
/// As for `complete`.
#[cold]
#[inline(never)]
unsafe fn complete_cancelled<F: Future>(whole: NonNull<Cell<F>>) -> AfterPoll {
    // SAFETY: the task's own reference keeps the cell alive.
    let result = Err(unsafe { whole.as_ref() }.header.executor.view().cancelled());
    // SAFETY: as the caller says.
    unsafe { complete(whole, result) }
}

/// Drops the future, gives the result to the joiner, and gives up the task's own reference. The cell may be
/// gone when this returns, so this takes a pointer.
///
/// # Safety
///
/// The caller is the runner, and this is the only call.
#[inline]
unsafe fn complete<F: Future>(whole: NonNull<Cell<F>>, result: Result<F::Output, JoinError>) -> AfterPoll {
    // SAFETY: the task's own reference keeps the cell alive until `publish` gives it up.
    let cell = unsafe { whole.as_ref() };
    // A future must not outlive the end of its task. If its destructor panics, that is the panic of the
    // task.
    let drop_future = AssertUnwindSafe(|| {
        // SAFETY: the future is the runner's (rule 2).
        cell.stage.with_mut(|stage| unsafe { stage.cast::<F>().drop_in_place() });
    });
    let error = match result {
        Ok(output) => match catch_unwind(drop_future) {
            // SAFETY: this is the runner, the future is gone, and this is the only call. Right here, so that
            // the output is not copied through a variable: that made `spawn_join_ct` 12 % slower.
            Ok(()) => return unsafe { publish(whole, Ok(output)) },
            Err(payload) => {
                drop_contained(output);
                JoinError::panicked(payload).of(|| cell.header.origin.subject(TASK))
            }
        },
        Err(error) => name::fail(cell.header.origin, error, drop_future),
    };
    // SAFETY: as above.
    unsafe { publish(whole, Err(error)) }
}

/// Stores the output, tells the joiner, and gives up the task's own reference.
///
/// # Safety
///
/// The caller is the runner, has dropped the future, and this is the only call.
#[inline]
unsafe fn publish<F: Future>(whole: NonNull<Cell<F>>, result: Result<F::Output, JoinError>) -> AfterPoll {
    // SAFETY: as in `complete`.
    let cell = unsafe { whole.as_ref() };
    cell.header.origin.complete(TASK, u64::from(result.is_err()));
    if cell.header.signal.is_detached() {
        discard(result);
    } else {
        let output = ManuallyDrop::new(result);
        // SAFETY: until the signal is completed the stage is the runner's, and the future is gone (rule 6).
        cell.stage.with_mut(|stage| unsafe { stage.write(Stage { output }) });
        // SAFETY: the output is stored, and this is the only call.
        if unsafe { cell.header.signal.complete() } == Heir::Completer {
            // SAFETY: nobody else takes the output, which was stored above.
            discard(
                cell.stage.with_mut(|stage| unsafe { stage.cast::<Result<F::Output, JoinError>>().read() }),
            );
        }
    }
    // The executor removes the task from its list, if it is there.
    cell.header.executor.view().release(cell.header.signal.note());
    if cell.header.state.complete() == Release::Last {
        // A waker that is left in the cell may be foreign, and its destructor may panic.
        // SAFETY: that was the last reference.
        contain(|| unsafe { free(whole.cast()) });
    }
    AfterPoll::Idle
}

/// Drops a result that nobody will see. Then nobody can be told of a panic of its destructor.
#[inline]
fn discard<T>(result: Result<T, JoinError>) {
    note_unseen(&result);
    if result.is_err() || needs_drop::<T>() {
        drop_contained(result);
    }
}

#[cold]
fn drop_contained<T>(value: T) {
    contain(|| drop(value));
    // The destructor may have taken long, and is no part of the next task's run.
    gap();
}
