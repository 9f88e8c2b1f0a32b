//! The tasks of the shapes: what each does when it is polled.

use super::{
    super::{
        costs::Costs,
        engine::{Time, picos},
    },
    worker::Worker,
};
use std::cell::{Cell, RefCell};

/// A task.
pub(in super::super) type TaskId = usize;

/// How many operations a task may complete in one poll.
const BUDGET: u32 = 128;

/// The behaviour of a task.
#[derive(Clone, Debug)]
pub(in super::super) enum Body {
    /// Ends when it is polled. `counted` ones count down, as tasks from outside do.
    Empty { is_counted: bool },
    /// Spawns `count` children like `child`, then awaits them, `rounds` times.
    Spawner { rounds: usize, count: usize, child: Box<Body>, next: Next },
    /// Yields this many times.
    Yielder { left: usize },
    /// Writes to its partner and waits for the answer, this many times.
    Client { left: usize, partner: TaskId },
    /// Answers its partner.
    Server { partner: TaskId },
    /// Sleeps so many times, each time for `period`.
    Ticker { left: usize, period: Time },
}

/// The next step of a spawner.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Next {
    Spawn,
    /// Awaits this child and those after it.
    Join(usize),
}

/// The outcome of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Pending,
    Again,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Scheduled,
    Running,
    /// It was woken while it ran.
    RunningAgain,
    Done,
}

/// One task.
struct Task {
    body: Body,
    state: State,
    /// The core that wrote to it last.
    core: usize,
    joiner: Option<TaskId>,
    children: Vec<TaskId>,
    /// Whether there are bytes on its socket, and whether it has been told.
    has_bytes: bool,
    is_ready: bool,
    /// The core that used the socket last.
    socket_core: usize,
    /// The driver that its socket is registered with, and its worker.
    home: usize,
}

/// All tasks of a simulation, and the counts of what they did.
#[derive(Default)]
pub(in super::super) struct Tasks {
    all: RefCell<Vec<Task>>,
    /// How many empty tasks, yields, answers or ticks there were.
    pub(in super::super) items: Cell<u64>,
    /// How many tasks have ended.
    pub(in super::super) ended: Cell<u64>,
    /// How many tasks have to end until the simulation does.
    pub(in super::super) ends_after: Cell<u64>,
}

impl Tasks {
    /// Adds a task that is about to be scheduled.
    pub(in super::super) fn add(&self, body: Body, core: usize, home: usize) -> TaskId {
        let mut all = self.all.borrow_mut();
        all.push(Task {
            body,
            state: State::Scheduled,
            core,
            joiner: None,
            children: Vec::new(),
            has_bytes: false,
            is_ready: false,
            socket_core: core,
            home,
        });
        all.len() - 1
    }

    fn item(&self) {
        self.items.set(self.items.get() + 1);
    }

    /// Runs `f` with a task.
    fn with<R>(&self, task: TaskId, f: impl FnOnce(&mut Task) -> R) -> R {
        f(&mut self.all.borrow_mut()[task])
    }

    fn len(&self) -> usize {
        self.all.borrow().len()
    }
}

impl Worker {
    /// Wakes a task.
    pub(super) async fn wake(&self, task: TaskId) {
        self.fetch(task).await;
        let schedules = self.shared.tasks.with(task, |task| {
            task.is_ready = true;
            let is_idle = task.state == State::Idle;
            match task.state {
                State::Idle => task.state = State::Scheduled,
                State::Running => task.state = State::RunningAgain,
                State::Scheduled | State::RunningAgain | State::Done => {}
            }
            is_idle
        });
        if schedules {
            self.schedule(task).await;
        }
    }

    /// Fetches the task's own lines, if another core wrote them last. Tasks that a worker spawned one after
    /// another lie side by side, and come as a stream. Others come one by one: the memory of tasks from
    /// outside has come from the allocator, and those that wait were woken in any order.
    async fn fetch(&self, task: TaskId) {
        let core = self.thread.core();
        let (last, is_in_stream) = self.shared.tasks.with(task, |task| {
            (std::mem::replace(&mut task.core, core), matches!(task.body, Body::Empty { is_counted: false }))
        });
        if last != core {
            let Costs { remote_task, stream, .. } = self.shared.costs;
            self.thread.work(if is_in_stream { stream } else { remote_task }).await;
        }
    }

    /// Polls a task.
    pub(super) async fn run_task(&self, id: TaskId) -> Outcome {
        self.fetch(id).await;
        let body = self.shared.tasks.with(id, |task| {
            assert_eq!(task.state, State::Scheduled, "a task is in one queue, once");
            task.state = State::Running;
            task.body.clone()
        });
        let outcome = match body {
            Body::Empty { is_counted } => self.run_empty(is_counted).await,
            Body::Spawner { rounds, count, child, next } => {
                self.run_spawner(id, rounds, count, *child, next).await
            }
            Body::Yielder { left } => self.run_yielder(id, left).await,
            Body::Client { left, partner } => self.run_client(id, left, partner).await,
            Body::Server { partner } => self.run_server(id, partner).await,
            Body::Ticker { left, period } => self.run_ticker(id, left, period).await,
        };
        self.end_poll(id, outcome).await
    }

    async fn end_poll(&self, id: TaskId, outcome: Outcome) -> Outcome {
        let tasks = &self.shared.tasks;
        if outcome == Outcome::Done {
            let joiner = tasks.with(id, |task| {
                task.state = State::Done;
                task.joiner.take()
            });
            tasks.ended.set(tasks.ended.get() + 1);
            if tasks.ended.get() == tasks.ends_after.get() {
                self.shared.engine.stop();
            }
            if let Some(joiner) = joiner {
                self.wake(joiner).await;
            }
            return outcome;
        }
        tasks.with(id, |task| {
            if outcome == Outcome::Again || task.state == State::RunningAgain {
                task.state = State::Scheduled;
                return Outcome::Again;
            }
            task.state = State::Idle;
            Outcome::Pending
        })
    }

    fn set_body(&self, id: TaskId, body: Body) {
        self.shared.tasks.with(id, |task| task.body = body);
    }

    async fn run_empty(&self, is_counted: bool) -> Outcome {
        let Costs { run, run_injected, .. } = self.shared.costs;
        self.thread.work(if is_counted { run_injected } else { run }).await;
        if is_counted {
            self.shared.counter.write(&self.thread).await;
        }
        self.shared.tasks.item();
        Outcome::Done
    }

    async fn run_spawner(&self, id: TaskId, rounds: usize, count: usize, child: Body, next: Next) -> Outcome {
        let tasks = &self.shared.tasks;
        let mut budget = BUDGET;
        let mut joined = match next {
            Next::Join(joined) => joined,
            Next::Spawn => {
                let first = tasks.len();
                tasks.with(id, |task| task.children = (first..first + count).collect());
                for number in 0..count {
                    self.thread.work(self.shared.costs.spawn).await;
                    let made = tasks.add(child.for_number(number, first), self.thread.core(), number / 2);
                    self.schedule(made).await;
                }
                0
            }
        };
        while joined < count {
            let again = |next| Body::Spawner { rounds, count, child: Box::new(child.clone()), next };
            if budget == 0 {
                self.set_body(id, again(Next::Join(joined)));
                return Outcome::Again;
            }
            let handle = tasks.with(id, |task| task.children[joined]);
            self.thread.work(self.shared.costs.join).await;
            self.fetch(handle).await;
            let is_done = tasks.with(handle, |task| {
                task.joiner = Some(id);
                task.state == State::Done
            });
            if !is_done {
                self.thread.work(self.shared.costs.await_wake).await;
                self.set_body(id, again(Next::Join(joined)));
                return Outcome::Pending;
            }
            budget -= 1;
            joined += 1;
        }
        if rounds == 1 {
            return Outcome::Done;
        }
        self.set_body(
            id,
            Body::Spawner { rounds: rounds - 1, count, child: Box::new(child), next: Next::Spawn },
        );
        Outcome::Again
    }

    async fn run_yielder(&self, id: TaskId, left: usize) -> Outcome {
        self.thread.work(self.shared.costs.requeue).await;
        if left == 0 {
            return Outcome::Done;
        }
        self.shared.tasks.item();
        self.set_body(id, Body::Yielder { left: left - 1 });
        Outcome::Again
    }

    async fn run_client(&self, id: TaskId, left: usize, partner: TaskId) -> Outcome {
        self.thread.work(self.shared.costs.requeue).await;
        let has_answer = self.read(id).await;
        let has_begun =
            self.shared.tasks.with(id, |task| !std::mem::replace(&mut task.children, vec![id]).is_empty());
        if has_begun && !has_answer {
            return Outcome::Pending;
        }
        if has_answer {
            self.shared.tasks.item();
        }
        if left == 0 {
            return Outcome::Done;
        }
        self.set_body(id, Body::Client { left: left - 1, partner });
        self.write(partner).await;
        Outcome::Pending
    }

    async fn run_server(&self, id: TaskId, partner: TaskId) -> Outcome {
        self.thread.work(self.shared.costs.requeue).await;
        if self.read(id).await {
            self.write(partner).await;
        }
        Outcome::Pending
    }

    /// Reads from the socket of a task, if it is said to be ready. Returns whether there were bytes.
    async fn read(&self, id: TaskId) -> bool {
        if !self.shared.tasks.with(id, |task| std::mem::take(&mut task.is_ready)) {
            return false;
        }
        self.thread.work(self.shared.costs.read + self.fetch_socket(id)).await;
        self.shared.tasks.with(id, |task| std::mem::take(&mut task.has_bytes))
    }

    /// The price of fetching a socket in the kernel from the core that used it last.
    fn fetch_socket(&self, id: TaskId) -> f64 {
        let core = self.thread.core();
        let last = self.shared.tasks.with(id, |task| std::mem::replace(&mut task.socket_core, core));
        if last == core { 0.0 } else { self.shared.costs.remote_socket }
    }

    /// Writes to the socket whose other end is the partner's.
    async fn write(&self, partner: TaskId) {
        self.thread.work(self.shared.costs.write + self.fetch_socket(partner)).await;
        let home = self.shared.tasks.with(partner, |task| {
            task.has_bytes = true;
            task.home
        });
        let driver = &self.shared.drivers[self.shared.share_of(home)];
        driver.make_ready(&self.thread, partner).await;
    }

    async fn run_ticker(&self, id: TaskId, left: usize, period: Time) -> Outcome {
        self.thread.work(self.shared.costs.requeue).await;
        let has_slept = self.shared.tasks.with(id, |task| std::mem::replace(&mut task.has_bytes, true));
        if has_slept {
            self.shared.tasks.item();
        }
        if left == 0 {
            return Outcome::Done;
        }
        self.set_body(id, Body::Ticker { left: left - 1, period });
        let driver = &self.shared.drivers[self.shared.share_of(self.index)];
        driver.set_timer(&self.thread, self.index, self.thread.now() + period, id).await;
        Outcome::Pending
    }
}

impl Body {
    /// The child with this number, of those that begin with the task `first`. Of a client and a server, the
    /// even ones are clients.
    fn for_number(&self, number: usize, first: TaskId) -> Self {
        match self {
            Self::Client { left, .. } if number.is_multiple_of(2) => {
                Self::Client { left: *left, partner: first + number + 1 }
            }
            Self::Client { .. } => Self::Server { partner: first + number - 1 },
            other => other.clone(),
        }
    }
}

/// A period in milliseconds.
pub(in super::super) const MILLISECOND: Time = picos(1_000_000.0);
