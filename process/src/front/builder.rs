//! How a pool is to be built.

use crate::{
    call::{
        codec,
        entry::{self, Name},
    },
    front::pool::ProcessPool,
    image::Image,
    parent::{
        launcher::{Command, Launcher, Local},
        output::{self, Line, Output, Sink},
    },
    system::interrupts::Interrupts,
    wire::setup::Setup,
    worker,
};
use brigade_handle::JoinError;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    ffi::{OsStr, OsString},
    fmt, io,
    path::PathBuf,
    thread,
    time::Duration,
};

/// The configuration of a [`ProcessPool`], made by [`ProcessPool::builder`].
///
/// ```
/// brigade_process::init();
/// let procs = brigade_process::ProcessPool::builder().workers(2).env("SEASON", "winter").build().unwrap();
/// let season = procs.spawn(|(): ()| std::env::var("SEASON").unwrap(), ());
/// assert_eq!(season.join().unwrap(), "winter");
/// ```
#[must_use = "a pool is made by `build`"]
pub struct Builder {
    workers: Option<usize>,
    launcher: Option<Box<dyn Launcher>>,
    setup: Setup,
    start: Start,
    sink: Option<Sink>,
    initializer: Option<Result<(Name, Vec<u8>), String>>,
    interrupts: Interrupts,
    reports_stuck: bool,
    // --- the command ---
    environment: Vec<(OsString, OsString)>,
    cleared: bool,
    directory: Option<PathBuf>,
    setup_limit: Option<Duration>,
}

// It calls neither launcher nor sink, and the pool that does contains their panics.
impl std::panic::UnwindSafe for Builder {}
impl std::panic::RefUnwindSafe for Builder {}

/// How [`Local`] starts workers.
///
/// ```
/// use brigade_process::{ProcessPool, Start};
///
/// brigade_process::init();
/// let procs = ProcessPool::builder().workers(2).start_method(Start::Zygote).build().unwrap();
/// assert_eq!(procs.spawn(|n: u64| n + 1, 1).join().unwrap(), 2);
/// ```
#[doc(alias = "forkserver")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Each worker is exec'd anew and runs the initializer. CPython calls this *spawn*.
    #[default]
    Exec,
    /// One child is exec'd and runs the initializer. Workers are forked from it, each in a fraction of a
    /// millisecond, and share its memory until they write there. CPython calls this *forkserver*. In the
    /// initializer, which must not start threads, [`worker_index`](crate::worker_index) is none.
    ///
    /// Each worker begins with a copy of what the initializer has made:
    ///
    /// * **Random numbers are the same in all workers.** A generator that the initializer has seeded gives
    ///   each worker the same numbers. The same holds for the keys of the standard library's `RandomState`
    ///   once a `HashMap` was made there, and for the layout of the address space. Seed what must differ in
    ///   the first call of a worker, from the operating system or from
    ///   [`worker_index`](crate::worker_index).
    /// * A [`BlockMut`](crate::BlockMut) is each worker's own, like all other memory. A
    ///   [`Block`](crate::Block) is read in place.
    /// * An open file keeps its descriptor, and is *one* open file for all workers, with one position: read
    ///   it by `read_at`. Sockets and database connections are shared, too, and two workers that use one
    ///   confuse each other: open them in the first call.
    /// * Signal handlers, the working directory and the user that the initializer has chosen stay.
    Zygote,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            workers: None,
            launcher: None,
            setup: Setup::default(),
            start: Start::Exec,
            sink: None,
            initializer: None,
            interrupts: Interrupts::Owner,
            reports_stuck: brigade_trace::live::is_wanted(),
            environment: Vec::new(),
            cleared: false,
            directory: None,
            setup_limit: None,
        }
    }

    /// Sets the number of workers, at least one. The default is one for each core.
    #[doc(alias("processes", "max_workers"))]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Sets how workers are started. The default is [`Local`].
    pub fn launcher(mut self, launcher: impl Launcher + 'static) -> Self {
        self.launcher = Some(Box::new(launcher));
        self
    }

    /// Has each worker call `f(argument)` before its first call, to load what its calls need. `f` must
    /// [capture nothing](ProcessPool#functions-that-can-be-called), not even a value without a size.
    ///
    /// Calls run on their worker's main thread, one at a time. So a worker keeps its state in a `static` or
    /// a `thread_local!` that the initializer fills:
    ///
    /// ```no_run
    /// use std::sync::OnceLock;
    ///
    /// static RECIPES: OnceLock<Vec<String>> = OnceLock::new();
    ///
    /// brigade_process::init();
    /// let load = |path: String| {
    ///     let text = std::fs::read_to_string(path).expect("the recipes can be read");
    ///     RECIPES.get_or_init(|| text.lines().map(str::to_owned).collect());
    /// };
    /// let builder = brigade_process::ProcessPool::builder().initializer(load, "recipes.txt".to_owned());
    /// let procs = builder.build().unwrap();
    /// let first = procs.spawn(|(): ()| RECIPES.get().unwrap()[0].clone(), ());
    /// ```
    ///
    /// If `f` panics, the worker is not used. When several workers in a row have failed so, the calls that
    /// wait give [`Lost::NotStarted`](brigade_handle::Lost::NotStarted) with the panic's message.
    pub fn initializer<F, A>(mut self, f: F, argument: A) -> Self
    where
        F: Fn(A) + Copy + Send + 'static,
        A: Serialize + DeserializeOwned,
    {
        let mut bytes = Vec::new();
        let encoded = codec::encode_argument(&argument, &mut bytes);
        let told = |error: JoinError| format!("the initializer's argument: {error}");
        self.initializer = Some(encoded.map_err(told).and_then(|()| Ok((entry::name(f)?, bytes))));
        self
    }

    /// Lets the initializer take as long as `limit`. A worker that is not set up by then is killed, and
    /// counts as a failed start.
    ///
    /// By default a zygote's initializer may take two minutes, and that of other workers as long as it
    /// likes. But a [`shutdown`](ProcessPool::shutdown) waits ten seconds for the first worker that is set
    /// up, if calls wait for it, and then tells these calls.
    pub fn setup_timeout(mut self, limit: Duration) -> Self {
        self.setup_limit = Some(limit);
        self
    }

    /// Sets how workers are started on this machine. The default is [`Start::Exec`]. It matters to
    /// [`Local`] only, and to no other launcher.
    ///
    /// ```
    /// use brigade_process::{ProcessPool, Start};
    ///
    /// brigade_process::init();
    /// let procs = ProcessPool::builder().workers(2).start_method(Start::Zygote).build().unwrap();
    /// ```
    #[doc(alias("set_start_method", "get_context"))]
    pub fn start_method(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Ends each worker after `calls` calls (at least one) and starts another in its place: for calls that
    /// leak. Calls that the worker has not begun go to others.
    /// [`Statistics::recycled`](crate::Statistics::recycled) counts these workers.
    #[doc(alias("maxtasksperchild", "max_tasks_per_child"))]
    pub fn max_calls_per_worker(mut self, calls: u64) -> Self {
        self.setup.limits.calls = Some(calls.max(1));
        self
    }

    /// Lets each worker have `bytes` bytes of resident memory. A worker that has more after a call ends,
    /// and another takes its place. A worker that has more during a call is killed, and its call gives
    /// [`Lost::OverMemory`](brigade_handle::Lost::OverMemory); the pool looks ten times a second.
    /// [`Statistics::over_memory`](crate::Statistics::over_memory) counts both. A worker behind a command
    /// ([`Argv`](crate::Argv)) looks at itself, wherever it runs.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.setup.limits.memory = Some(bytes);
        self
    }

    /// Says whether Ctrl-C and Ctrl-\ end workers. By default they do not.
    ///
    /// The terminal sends SIGINT or SIGQUIT to the whole foreground process group, workers included. By
    /// default workers leave both to the pool's process: if that handles them, it can finish its calls and
    /// shut down; if not, it dies of them, and its workers end with it. In workers the signals have a
    /// handler that does nothing. So they may interrupt a system call that the kernel does not restart (a
    /// `poll`, say), and programs that a call starts have the default actions. A call or an initializer may
    /// set handlers of its own.
    ///
    /// Ctrl-Z stops workers with the rest of the group. SIGTERM and SIGHUP end the processes that get them.
    /// A service manager that sends SIGTERM to every process of a service must be told to send it to the
    /// main process alone (systemd: `KillMode=mixed`) if that is to drain.
    ///
    /// A command that [`Argv`](crate::Argv) puts in front of workers is in the foreground group too and does
    /// with interrupts what it always does. Most end, and the calls of their workers are lost. The commands
    /// of [`Slurm`](crate::Slurm) and [`Ssh`](crate::Ssh) are not in that group, and leave interrupts to the
    /// pool's process as local workers do.
    ///
    /// ```
    /// brigade_process::init();
    /// // Calls may be lost at Ctrl-C, and nobody waits for them.
    /// let builder = brigade_process::ProcessPool::builder().workers(2);
    /// let procs = builder.workers_die_of_interrupt(true).build().unwrap();
    /// ```
    pub fn workers_die_of_interrupt(mut self, die: bool) -> Self {
        self.interrupts = if die { Interrupts::Everybody } else { Interrupts::Owner };
        self
    }

    /// Raises the niceness of workers by `by`, from 1 to 19, above this process's own. They get the CPU
    /// only when less nice processes do not want it.
    pub fn nice(mut self, by: i32) -> Self {
        self.setup.nice = by;
        self
    }

    /// Sets on which CPUs each worker may run: a list for the first worker, a list for the second, and so
    /// on. With fewer lists than workers, the lists are used again from the first on. A worker that takes
    /// another's place takes its list.
    ///
    /// ```no_run
    /// brigade_process::init();
    /// // The first worker on CPU 0, the second on CPU 1.
    /// let procs = brigade_process::ProcessPool::builder().workers(2).affinity([[0], [1]]).build().unwrap();
    /// ```
    pub fn affinity<L: IntoIterator<Item = usize>>(mut self, lists: impl IntoIterator<Item = L>) -> Self {
        self.setup.cpus = lists.into_iter().map(|list| list.into_iter().collect()).collect();
        self
    }

    /// Sets a variable in the environment of the workers, which is otherwise this process's own.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Gives workers an empty environment, apart from the variables that [`env`](Self::env) has set or will
    /// set.
    pub fn env_clear(mut self) -> Self {
        self.cleared = true;
        self
    }

    /// Sets the directory in which workers begin. The default is this process's own.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Prints the workers' output line by line, each line with `[worker 3] ` in front. A line of more than
    /// 64 KiB is printed in pieces, each as a line. By default workers share this process's stdout and
    /// stderr. If one of these is non-blocking and full, the pool waits for it.
    pub fn labelled(mut self) -> Self {
        self.sink = Some(output::labels());
        self
    }

    /// Gives each line that workers print to `sink`, which a thread of the pool calls. A line of more than
    /// 64 KiB is given in pieces: see [`Line::continues`].
    ///
    /// While the sink takes its time, workers that print more than a pipe holds wait. Calls that print
    /// nothing go on, and the pool goes on looking after workers that end. When the pool has ended, the
    /// sink has got everything that workers have printed, unless it takes no line for five seconds: then
    /// the pool ends without it, and its thread gives the rest later. A grandchild that holds a worker's
    /// stdout or stderr is heard until the worker has ended, and no longer. After a panic the sink is not
    /// called again: the panic hook shows the panic, and later lines are thrown away.
    ///
    /// ```
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::builder()
    ///     .workers(2)
    ///     .captured(|line| println!("{:?} of {}: {}", line.stream, line.worker, line.text.escape_ascii()))
    ///     .build()
    ///     .unwrap();
    /// procs.spawn(|(): ()| println!("the soup is ready"), ()).join().unwrap();
    /// ```
    pub fn captured(mut self, sink: impl FnMut(Line<'_>) + Send + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Has idle workers, and threads that join a call, look for `time` before they sleep. Both ends then
    /// answer within a microsecond, and each burns a core meanwhile. Use it when there are more cores than
    /// work, and latency is all.
    pub fn busy_poll(mut self, time: Duration) -> Self {
        self.setup.busy_poll = Some(time);
        self
    }

    /// Reports what can never go on, to stderr, as the builders of the other executors do
    /// ([`brigade_trace::live`]). The variable `BRIGADE_STUCK=1` does it for a whole program.
    ///
    /// ```
    /// brigade_process::init();
    /// let _procs = brigade_process::ProcessPool::builder().workers(1).report_stuck().build().unwrap();
    /// assert!(brigade_trace::on());
    /// ```
    pub fn report_stuck(mut self) -> Self {
        self.reports_stuck = true;
        self
    }

    /// Starts the pool and its workers.
    ///
    /// ```
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::builder().workers(2).build().unwrap();
    /// assert_eq!(procs.spawn(|n: u64| n * n, 12).join().unwrap(), 144);
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error, whose text says which it is, if
    ///
    /// * [`init`](crate::init) was not called in this process,
    /// * there are to be no workers,
    /// * the initializer or its argument cannot be sent to another process,
    /// * this program cannot be started again (the loader was started as a command, `ld.so program`;
    ///   `/proc` is not mounted; its file lies where nothing may be executed),
    /// * the operating system refuses a thread, a descriptor or a child.
    pub fn build(mut self) -> io::Result<ProcessPool> {
        if !worker::is_initialized() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a process pool starts this program again as its worker, and the program does not expect that: \
                 add `brigade_process::init();` as the first line of `main`",
            ));
        }
        brigade_trace::record_if_asked();
        let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why);
        let workers = match self.workers {
            Some(0) => return Err(invalid("a process pool needs a worker")),
            Some(workers) => workers,
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        if let Some(initializer) = self.initializer.take() {
            let (Name(name), argument) = initializer.map_err(|why| invalid(&why))?;
            self.setup.initializer = Some((name, argument));
        }
        self.setup.fingerprint = Image::get().fingerprint;
        self.setup.leaves_interrupts = self.interrupts == Interrupts::Owner;
        let mut command = self.command()?;
        if self.start == Start::Zygote {
            let (zygote, workers) = std::mem::take(&mut self.setup).split();
            command.zygote = Some(zygote.frame());
            self.setup = workers;
        }
        let watching = self.reports_stuck.then(brigade_trace::live::report_stuck).transpose()?;
        let launcher = self.launcher.unwrap_or_else(|| Box::new(Local::default()));
        let is_heard = self.sink.is_some() || launcher.is_heard();
        let output = self.sink.or_else(|| is_heard.then(output::plain)).map(Output::new).transpose()?;
        command.piped = is_heard;
        ProcessPool::start(workers, launcher, command, self.setup, output, watching)
    }

    fn command(&mut self) -> io::Result<Command> {
        let mut command = Command::this_executable()?;
        if self.cleared {
            command.environment.clear();
        }
        command.cleared = self.cleared;
        for (name, value) in self.environment.drain(..) {
            command.environment.retain(|(other, _)| *other != name);
            command.variables.push(name.clone());
            command.environment.push((name, value));
        }
        command.directory = self.directory.take();
        command.interrupts = self.interrupts;
        command.setup_limit = self.setup_limit;
        Ok(command)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("workers", &self.workers).finish_non_exhaustive()
    }
}
