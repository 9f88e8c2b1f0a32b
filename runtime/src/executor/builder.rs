//! [`Builder`]: makes a runtime with settings of your own.

use crate::{
    executor::{
        blocking::DEFAULT_MAX_BLOCKING_CALLS, current_thread, multi_thread, reference::ExecutorHandle,
        runtime::Runtime,
    },
    time::clock::Clock,
};
use brigade_trace::live;
use std::io;

/// Makes a [`Runtime`] with settings of your own.
///
/// ```
/// let runtime = brigade_runtime::Runtime::builder().workers(2).name("oven").build()?;
/// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    workers: Option<usize>,
    name: String,
    stack_size: Option<usize>,
    max_blocking_threads: usize,
    paused_clock: bool,
    reports_stuck: bool,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            workers: None,
            name: "brigade-runtime".to_owned(),
            stack_size: None,
            max_blocking_threads: DEFAULT_MAX_BLOCKING_CALLS,
            paused_clock: false,
            reports_stuck: live::is_wanted(),
        }
    }

    /// Sets how many worker threads run tasks. The default is the number of threads that the machine runs at
    /// once. 0 means none, as for [`current_thread`](Self::current_thread).
    #[doc(alias = "worker_threads")]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Makes no worker threads: tasks run on the thread that is inside `block_on`.
    pub fn current_thread(self) -> Self {
        self.workers(0)
    }

    /// Names the worker threads: this name and a number. The default is `brigade-runtime`.
    #[doc(alias = "thread_name")]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the size of a worker's stack, in bytes. The default is the standard library's, 2 MiB.
    #[doc(alias = "thread_stack_size")]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Bounds the threads that make blocking calls: those of [`spawn_blocking`](crate::spawn_blocking), of
    /// [`fs`](crate::fs), of the standard streams and of name look-ups. At most this many calls run at
    /// once; more wait in a queue. The threads start when they are needed, beside the
    /// [`workers`](Self::workers).
    ///
    /// `most` is from 1 to 32,000, and 256 by default.
    pub fn max_blocking_threads(mut self, most: usize) -> Self {
        self.max_blocking_threads = most;
        self
    }

    /// Uses a clock for tests. It stands still while there is anything to do; when all tasks wait, it jumps
    /// to the next timer. So a test that sleeps for a day takes no time, and timers fire in the order of
    /// their deadlines, however busy the machine is. [`now`](crate::now) reads this clock.
    ///
    /// The clock does not jump while a call of [`spawn_blocking`](crate::spawn_blocking) runs, unless the
    /// call waits in [`Handle::block_on`](crate::Handle::block_on) of this runtime. A call counts as running
    /// if it joins a task otherwise, by [`JoinHandle::join`](crate::JoinHandle::join) or
    /// [`Runtime::block_on`](crate::Runtime::block_on), and while it waits for one of the
    /// [`max_blocking_threads`](Self::max_blocking_threads). The clock does jump while tasks wait for
    /// descriptors, other threads or child processes, so timeouts on those fire early.
    ///
    /// Only a [`current_thread`](Self::current_thread) runtime can have this clock, and this builder makes
    /// one unless `workers` was called.
    ///
    /// ```
    /// use brigade_runtime::{Runtime, now, sleep};
    /// use std::time::Duration;
    ///
    /// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    ///
    /// let runtime = Runtime::builder().paused_clock().build()?;
    /// runtime.block_on(async {
    ///     let begin = now();
    ///     sleep(DAY).await;
    ///     assert_eq!(now() - begin, DAY);
    /// });
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias("start_paused", "pause"))]
    pub fn paused_clock(mut self) -> Self {
        self.paused_clock = true;
        self.workers.get_or_insert(0);
        self
    }

    /// Reports tasks that can never go on: a circle of locks, a task that waits for itself, a task whose
    /// wakers are all gone, and the like. The report goes to stderr once. It names the tasks, what they wait
    /// for and who holds it, with files and lines. [`brigade_trace::live`] says what is found. It takes a
    /// thread, and each spawn and each wait takes longer.
    ///
    /// The variable `BRIGADE_STUCK=1` does the same for all runtimes and pools of a program.
    ///
    /// ```
    /// let runtime = brigade_runtime::Runtime::builder().workers(1).report_stuck().build()?;
    /// assert_eq!(runtime.block_on(async { 7 }), 7);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn report_stuck(mut self) -> Self {
        self.reports_stuck = true;
        self
    }

    /// Makes the runtime and starts its threads.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error if it refuses a descriptor or a thread. Returns
    /// [`io::ErrorKind::InvalidInput`] if the clock is paused and there are workers, if there are more than
    /// 32,000 workers, if their name contains a NUL, or if the number of threads for blocking calls is out of
    /// range.
    pub fn build(self) -> io::Result<Runtime> {
        const MAX_THREADS: usize = 32_000;
        let invalid = |text: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        let blocking = self.max_blocking_threads;
        if !(1..=MAX_THREADS).contains(&blocking) {
            return invalid(&format!(
                "a runtime has from 1 to {MAX_THREADS} threads for blocking calls, not {blocking}"
            ));
        }
        if self.name.contains('\0') {
            return invalid("a thread's name cannot contain a NUL");
        }
        live::attachable_if_wanted();
        // Before there are threads, which the watch has to know.
        let watching = self.reports_stuck.then(live::report_stuck).transpose()?;
        let usual = || std::thread::available_parallelism().map_or(1, Into::into);
        match self.workers.unwrap_or_else(usual) {
            0 => {
                let clock = if self.paused_clock { Clock::paused() } else { Clock::os() };
                let shared = current_thread::CurrentThread::new(clock, blocking)?;
                Ok(Runtime::new(
                    ExecutorHandle::CurrentThread(shared),
                    multi_thread::Threads::default(),
                    watching,
                ))
            }
            _ if self.paused_clock => invalid(
                "a clock is paused on a current-thread runtime only: leave out `workers`, or `paused_clock`",
            ),
            workers if workers > MAX_THREADS => {
                invalid(&format!("a runtime has at most {MAX_THREADS} workers, not {workers}"))
            }
            workers => {
                // Later, when the runtime's pool for blocking calls is started, there are threads.
                brigade_pool::prepare();
                let (shared, threads) = multi_thread::start(workers, &self.name, self.stack_size, blocking)?;
                Ok(Runtime::new(ExecutorHandle::MultiThread(shared), threads, watching))
            }
        }
    }
}
