//! The prices of the steps, in nanoseconds. `calibrate` measures them on this machine.

/// How long each step takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    // --- the processor ---
    /// A cache line comes from another core.
    pub line: f64,
    /// The same, of many lines one after another: the core fetches several at a time.
    pub stream: f64,
    /// The clock is read.
    pub clock: f64,
    /// A microsecond of the shapes' own work, as long as it is on this machine at this time.
    pub leaf: f64,
    /// One `spin_loop`.
    pub pause: f64,
    /// A core works on a task that another core wrote last: so much longer than on one of its own.
    pub remote_task: f64,
    // --- the kernel ---
    /// A thread wakes another one that sleeps on a futex.
    pub unpark: f64,
    /// How long after the begin of that call the sleeper runs.
    pub unpark_latency: f64,
    /// A thread falls asleep on a futex and comes back: the time on its core.
    pub park: f64,
    /// A thread rings an eventfd while another one sleeps in epoll.
    pub bell: f64,
    /// How long after the begin of that call the sleeper runs.
    pub bell_latency: f64,
    /// A thread wakes another one on its own core and falls asleep, until the other one runs.
    pub hand_over: f64,
    /// A thread yields, and no other one wants its core.
    pub yielding: f64,
    /// `epoll_wait` finds nothing and does not sleep.
    pub epoll: f64,
    /// One event more in `epoll_wait`.
    pub epoll_event: f64,
    /// A timerfd is set.
    pub timerfd: f64,
    /// `membarrier` where no other thread of the process runs.
    pub membarrier: f64,
    /// `membarrier` takes so much longer where another thread runs, for the caller.
    pub membarrier_other: f64,
    /// The time that the interrupt takes from that thread.
    pub interrupt: f64,
    /// 64 bytes are written to a socket whose other end is in an epoll.
    pub write: f64,
    /// 64 bytes are read.
    pub read: f64,
    /// A write or a read takes so much longer if another core has used the socket last.
    pub remote_socket: f64,
    /// The runtime's own part of a message: the source, its wakers, the future of the stream.
    pub message: f64,
    /// A worker falls asleep in the driver and finds an event at once, beside the system call.
    pub driver_sleep: f64,
    // --- the runtime ---
    /// A task spawns an empty task.
    pub spawn: f64,
    /// A worker takes an empty task from its ring and runs it.
    pub run: f64,
    /// A task awaits a task that has ended.
    pub join: f64,
    /// A task awaits one that has not ended, and is woken by it: so much longer than two looks at one that
    /// has.
    pub await_wake: f64,
    /// A task yields, and is polled again.
    pub requeue: f64,
    /// A thread outside spawns a task into an injector that is not empty, without contention.
    pub inject: f64,
    /// A worker runs an empty task that a thread outside spawned, and frees its memory.
    pub run_injected: f64,
    /// A task sets a timer, it fires, and the task is polled: without the sleep of the driver.
    pub timer: f64,
    // --- the pool ---
    /// A scope spawns an empty child.
    pub child: f64,
    /// Its owner pops and runs it.
    pub run_child: f64,
    /// A join that nobody steals.
    pub fork: f64,
    /// A thread outside queues a job.
    pub submit: f64,
    /// A worker takes a job from the injector and runs it.
    pub run_submitted: f64,
}

impl Costs {
    /// Prices like those of a virtual machine with two cores (AMD EPYC, 2026), for tests and for a run
    /// without calibration.
    pub const REFERENCE: Self = Self {
        line: 25.0,
        stream: 6.0,
        clock: 23.0,
        leaf: 1_000.0,
        pause: 24.0,
        remote_task: 110.0,
        unpark: 7_000.0,
        unpark_latency: 4_000.0,
        park: 3_500.0,
        hand_over: 2_200.0,
        yielding: 250.0,
        bell: 7_200.0,
        bell_latency: 4_300.0,
        epoll: 165.0,
        epoll_event: 207.0,
        timerfd: 543.0,
        membarrier: 343.0,
        membarrier_other: 10_000.0,
        interrupt: 6_300.0,
        write: 1_020.0,
        read: 1_120.0,
        remote_socket: 550.0,
        message: 550.0,
        driver_sleep: 330.0,
        spawn: 16.0,
        run: 19.5,
        join: 14.5,
        await_wake: 20.0,
        requeue: 14.5,
        inject: 29.0,
        run_injected: 30.0,
        timer: 109.0,
        child: 6.0,
        run_child: 9.0,
        fork: 1.7,
        submit: 17.4,
        run_submitted: 17.0,
    };

    /// The prices on so many cores. Where there is one, a thread that is woken runs when its waker leaves the
    /// core, and no other core has to be told.
    pub(super) fn on(self, cores: usize) -> Self {
        if cores > 1 {
            return self;
        }
        Self { unpark: self.hand_over / 2.0, unpark_latency: 0.0, park: self.hand_over / 2.0, ..self }
    }

    /// Names each price, in the order of the fields.
    pub fn list(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("cache line from another core", self.line),
            ("… of many in a row, each", self.stream),
            ("reading the clock", self.clock),
            ("a microsecond of the shapes' own work", self.leaf),
            ("spin_loop", self.pause),
            ("a task that another core wrote last, more", self.remote_task),
            ("unpark of a sleeper", self.unpark),
            ("… until it runs", self.unpark_latency),
            ("park and back, on the core", self.park),
            ("hand-over on one core, by unpark and park", self.hand_over),
            ("sched_yield to nobody", self.yielding),
            ("eventfd, with a sleeper in epoll", self.bell),
            ("… until it runs", self.bell_latency),
            ("epoll_wait that finds nothing", self.epoll),
            ("an event more", self.epoll_event),
            ("timerfd_settime", self.timerfd),
            ("membarrier, alone", self.membarrier),
            ("… more beside a running thread", self.membarrier_other),
            ("… taken from that thread", self.interrupt),
            ("write of 64 bytes", self.write),
            ("read of 64 bytes", self.read),
            ("… more, if another core used the socket last", self.remote_socket),
            ("runtime: its part of a message", self.message),
            ("runtime: a sleep that ends at once", self.driver_sleep),
            ("runtime: spawn", self.spawn),
            ("runtime: run an empty task", self.run),
            ("runtime: await a task that has ended", self.join),
            ("… one that has not, and be woken, more", self.await_wake),
            ("runtime: yield and be polled again", self.requeue),
            ("runtime: spawn from outside", self.inject),
            ("runtime: run a task from outside", self.run_injected),
            ("runtime: set and fire a timer", self.timer),
            ("pool: spawn into a scope", self.child),
            ("pool: pop and run a child", self.run_child),
            ("pool: join that nobody steals", self.fork),
            ("pool: submit from outside", self.submit),
            ("pool: run a submitted job", self.run_submitted),
        ]
    }
}
