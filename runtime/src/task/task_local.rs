//! Task-local values: they belong to a task, as a thread-local belongs to a thread.
//!
//! A future that runs in the scope of a value carries the value along. During each of its polls, and while
//! it is dropped, a pointer to the value is on a stack of the thread. Reading a [`TaskLocal`] finds its
//! innermost value on that stack. So the value is found on whichever thread the task runs, and by no other
//! task. Two threads never read it at the same time either, so a value need not be `Sync`, and must be
//! `Send` only if the task is.

use crate::executor::context;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
};

/// A value that belongs to a task: set for a future by [`scope`](Self::scope), read inside it by
/// [`with`](Self::with).
///
/// It corresponds to Python's `contextvars.ContextVar`, except that a task which is spawned inside does not
/// inherit the value: give that task its own scope.
///
/// Declare it as a `static`. The value may be of any type without borrows. A future in its scope is `Send`
/// if the value is. A value that is not `Send`, such as an `Rc`, works with
/// [`spawn_local`](crate::spawn_local).
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
///
/// ```
/// use brigade_runtime::{TaskLocal, run, spawn_local};
/// use std::{cell::Cell, rc::Rc};
///
/// static SEEN: TaskLocal<Rc<Cell<u32>>> = TaskLocal::new();
///
/// run(async {
///     let seen = Rc::new(Cell::new(0));
///     spawn_local(SEEN.scope(seen.clone(), async { SEEN.with(|seen| seen.set(7)) })).await.unwrap();
///     assert_eq!(seen.get(), 7);
/// });
/// ```
///
/// A task that may move between threads cannot have such a value:
///
/// ```compile_fail,E0277
/// use brigade_runtime::{TaskLocal, spawn};
/// use std::rc::Rc;
///
/// static SEEN: TaskLocal<Rc<u32>> = TaskLocal::new();
/// drop(spawn(SEEN.scope(Rc::new(7), async {})));
/// ```
///
/// A reference to the value does not outlive the call that reads it:
///
/// ```compile_fail
/// use brigade_runtime::TaskLocal;
///
/// static NAME: TaskLocal<String> = TaskLocal::new();
/// let name: Option<&'static String> = NAME.try_with(|name| name);
/// ```
#[doc(alias("task_local!", "ContextVar"))]
pub struct TaskLocal<T> {
    /// A unique number, or 0 before the first use. The address would not be unique: equal constants may
    /// share one.
    id: AtomicUsize,
    _value: std::marker::PhantomData<fn() -> T>,
}

impl<T: 'static> TaskLocal<T> {
    /// Makes a task-local that has no value in any task.
    ///
    /// ```
    /// use brigade_runtime::TaskLocal;
    ///
    /// static TABLE: TaskLocal<u32> = TaskLocal::new();
    /// assert_eq!(TABLE.get(), None);
    /// ```
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self { id: AtomicUsize::new(0), _value: std::marker::PhantomData }
    }

    /// Returns the unique number, and draws it at the first use.
    fn id(&self) -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        // Relaxed, all three: the number must be unique and guards no other memory.
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

    /// Runs a future with this value. A further scope inside that future hides the value for as long as it
    /// lasts.
    ///
    /// ```
    /// # use brigade_runtime::{TaskLocal, run};
    /// static TABLE: TaskLocal<u32> = TaskLocal::new();
    /// run(TABLE.scope(7, async {
    ///     assert_eq!(TABLE.scope(8, async { TABLE.get() }).await, Some(8));
    ///     assert_eq!(TABLE.get(), Some(7));
    /// }));
    /// ```
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> Scoped<T, F> {
        Scoped { id: self.id(), value, future: Some(Box::pin(future)) }
    }

    /// Calls `f` with the value of the current task, and returns its result. None if the task has no value,
    /// or if the thread is already running the destructors of its thread-locals.
    ///
    /// ```
    /// # use brigade_runtime::{TaskLocal, run};
    /// static DISH: TaskLocal<String> = TaskLocal::new();
    /// assert_eq!(DISH.try_with(String::len), None);
    /// assert_eq!(run(DISH.scope("soup".to_owned(), async { DISH.try_with(String::len) })), Some(4));
    /// ```
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Option<R> {
        context::with_task_local(self.id(), |value| value.downcast_ref().map(f)).flatten()
    }

    /// Calls `f` with the value of the current task, and returns its result.
    ///
    /// # Panics
    ///
    /// Panics outside of every [`scope`](Self::scope) of this task-local.
    ///
    /// ```
    /// # use brigade_runtime::{TaskLocal, run};
    /// static DISH: TaskLocal<String> = TaskLocal::new();
    /// let upper = DISH.scope("soup".to_owned(), async { DISH.with(|dish| dish.to_uppercase()) });
    /// assert_eq!(run(upper), "SOUP");
    /// ```
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        let type_name = std::any::type_name::<T>();
        match self.try_with(f) {
            Some(result) => result,
            None => panic!("a TaskLocal<{type_name}> was read outside of its `scope`"),
        }
    }

    /// Returns a clone of the value of the current task. None if it has none.
    ///
    /// ```
    /// # use brigade_runtime::{TaskLocal, run};
    /// static TABLE: TaskLocal<u32> = TaskLocal::new();
    /// assert_eq!(TABLE.get(), None);
    /// assert_eq!(run(TABLE.scope(7, async { TABLE.get() })), Some(7));
    /// ```
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
///
/// ```
/// use brigade_runtime::{Scoped, TaskLocal, run};
///
/// static TABLE: TaskLocal<u32> = TaskLocal::new();
///
/// /// Gives a future the number of its table.
/// fn at_table<F: Future>(table: u32, future: F) -> Scoped<u32, F> {
///     TABLE.scope(table, future)
/// }
///
/// assert_eq!(run(at_table(7, async { TABLE.get() })), Some(7));
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Scoped<T: 'static, F> {
    id: usize,
    value: T,
    /// None once it is ready. It is dropped inside the scope, as it is polled there.
    future: Option<Pin<Box<F>>>,
}

// The value is not pinned, and the box pins the future.
impl<T, F> Unpin for Scoped<T, F> {}

impl<T: 'static, F: Future> Future for Scoped<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { id, value, future } = self.get_mut();
        let _inside = context::enter_task_local(*id, value);
        let running = future.as_mut().expect("a scope was polled again after it was ready");
        let poll = running.as_mut().poll(cx);
        if poll.is_ready() {
            *future = None;
        }
        poll
    }
}

impl<T: 'static, F> Drop for Scoped<T, F> {
    fn drop(&mut self) {
        if self.future.is_some() {
            let _inside = context::enter_task_local(self.id, &self.value);
            self.future = None;
        }
    }
}

impl<T: 'static, F> Scoped<T, F> {
    /// Returns the value.
    pub(crate) fn value(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug + 'static, F> fmt::Debug for Scoped<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").field("value", &self.value).finish_non_exhaustive()
    }
}
