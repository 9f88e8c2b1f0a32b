//! Values that belong to a task, as a thread-local belongs to a thread.
//!
//! A future that runs in the scope of a value carries it along. Around each of its polls, and around its destruction, the value lies
//! on a stack of the thread, from where the innermost one of each [`TaskLocal`] is read. So it is found wherever the task runs, and
//! by nobody else.

use crate::context;
use std::{
    any::Any,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

/// A value that belongs to a task: set for a future by [`scope`](Self::scope), read inside it by [`with`](Self::with).
///
/// What a `contextvars.ContextVar` is in Python, but that a task which is spawned inside does not inherit it: give it its own scope.
/// To be declared as a `static`.
///
/// ```
/// use brigade_runtime::{TaskLocal, run, spawn};
///
/// static REQUEST: TaskLocal<u32> = TaskLocal::new();
///
/// async fn log(text: &str) -> String {
///     format!("[{}] {text}", REQUEST.get().unwrap_or(0))
/// }
///
/// run(async {
///     let tasks = [7, 8].map(|number| spawn(REQUEST.scope(number, log("begins"))));
///     let [seven, eight] = tasks;
///     assert_eq!(seven.await.unwrap(), "[7] begins");
///     assert_eq!(eight.await.unwrap(), "[8] begins");
///     assert_eq!(log("outside").await, "[0] outside");
/// });
/// ```
pub struct TaskLocal<T> {
    /// Which one it is; 0 before the first use. Its own address would not do: equal constants may share one.
    id: AtomicUsize,
    _value: std::marker::PhantomData<fn() -> T>,
}

/// A value on the thread's stack, and whose it is.
pub(crate) type Entry = (usize, Arc<dyn Any>);

impl<T: Send + Sync + 'static> TaskLocal<T> {
    /// One that has no value anywhere.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self { id: AtomicUsize::new(0), _value: std::marker::PhantomData }
    }

    fn id(&self) -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        // Relaxed, all three: the number has to be unique and guards nothing.
        match self.id.load(Ordering::Relaxed) {
            0 => {
                let fresh = NEXT.fetch_add(1, Ordering::Relaxed);
                match self.id.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => fresh,
                    Err(other) => other,
                }
            }
            id => id,
        }
    }

    /// Runs a future with this value. Inside it a further scope hides the value for as long as it lasts.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> Scoped<T, F> {
        Scoped { id: self.id(), value: Arc::new(value), future: Some(Box::pin(future)) }
    }

    /// Calls `f` with the value of the task that runs here. None if it has none.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Option<R> {
        // A reference of its own, so that `f` may open a scope, or poll what does.
        let value = context::task_local(self.id())?;
        value.downcast_ref().map(f)
    }

    /// Calls `f` with the value of the task that runs here.
    ///
    /// # Panics
    ///
    /// Outside of every [`scope`](Self::scope) of this task-local.
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        let type_name = std::any::type_name::<T>();
        match self.try_with(f) {
            Some(result) => result,
            None => panic!("a TaskLocal<{type_name}> was read outside of its `scope`"),
        }
    }

    /// A clone of the value of the task that runs here. None if it has none.
    pub fn get(&'static self) -> Option<T>
    where
        T: Clone,
    {
        self.try_with(T::clone)
    }
}

impl<T> fmt::Debug for TaskLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocal").finish_non_exhaustive()
    }
}

/// The future of [`TaskLocal::scope`].
#[must_use = "futures do nothing unless awaited"]
pub struct Scoped<T: Send + Sync + 'static, F> {
    id: usize,
    value: Arc<T>,
    /// None once it is ready. It is dropped inside the scope.
    future: Option<Pin<Box<F>>>,
}

/// The time in which the value lies on the thread's stack.
struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        context::pop_task_local();
    }
}

impl<T: Send + Sync + 'static, F> Scoped<T, F> {
    fn enter(&self) -> Inside {
        context::push_task_local((self.id, self.value.clone()));
        Inside
    }
}

impl<T: Send + Sync + 'static, F: Future> Future for Scoped<T, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _inside = self.enter();
        let future = self.future.as_mut().expect("a scope was polled again after it was ready");
        let poll = future.as_mut().poll(cx);
        if poll.is_ready() {
            self.future = None;
        }
        poll
    }
}

impl<T: Send + Sync + 'static, F> Drop for Scoped<T, F> {
    fn drop(&mut self) {
        if self.future.is_some() {
            let _inside = self.enter();
            self.future = None;
        }
    }
}

impl<T: Send + Sync + fmt::Debug + 'static, F> fmt::Debug for Scoped<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").field("value", &self.value).finish_non_exhaustive()
    }
}
