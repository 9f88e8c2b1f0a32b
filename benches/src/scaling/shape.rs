//! The shapes of work that are predicted and measured.

/// A shape of work. Its size grows with the number of workers, so that more cores have more to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// One task spawns 10,000 empty tasks and awaits them all.
    SpawnJoin,
    /// 200 tasks a worker that yield over and over.
    Yields,
    /// 64 connections a worker. On each, a client sends 64 bytes and waits until a server has sent them back.
    Echo,
    /// 2,000 tasks a worker that sleep for a millisecond, over and over.
    Ticks,
    /// A thread outside spawns 10,000 empty tasks.
    SpawnOutside,
    /// A tree of joins on the pool, with leaves of 1 µs.
    Tree,
    /// A scope on the pool, into which one worker spawns all jobs. They take so many nanoseconds.
    Scope(u32),
    /// A thread outside submits jobs of 1 µs to the pool.
    SubmitOutside,
    /// A thread outside hands one loop after another to the pool, and waits for each. A loop is a tree of
    /// joins, with 40 leaves of 1 µs for each worker.
    LoopsOutside,
}

impl Shape {
    /// All shapes.
    pub const ALL: [Self; 12] = [
        Self::SpawnJoin,
        Self::Yields,
        Self::Echo,
        Self::Ticks,
        Self::SpawnOutside,
        Self::Tree,
        Self::Scope(500),
        Self::Scope(1_000),
        Self::Scope(10_000),
        Self::Scope(100_000),
        Self::SubmitOutside,
        Self::LoopsOutside,
    ];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::SpawnJoin => "spawn_join",
            Self::Yields => "yields",
            Self::Echo => "echo",
            Self::Ticks => "ticks",
            Self::SpawnOutside => "spawn_outside",
            Self::Tree => "tree",
            Self::Scope(500) => "scope_500ns",
            Self::Scope(1_000) => "scope_1us",
            Self::Scope(10_000) => "scope_10us",
            Self::Scope(_) => "scope_100us",
            Self::SubmitOutside => "submit_outside",
            Self::LoopsOutside => "loops_outside",
        }
    }

    /// Whether the shape runs on the runtime, and not on the pool.
    pub fn is_of_runtime(self) -> bool {
        matches!(self, Self::SpawnJoin | Self::Yields | Self::Echo | Self::Ticks | Self::SpawnOutside)
    }

    /// Whether a thread outside makes the work, all the time.
    pub(crate) fn is_from_outside(self) -> bool {
        matches!(self, Self::SpawnOutside | Self::SubmitOutside)
    }

    /// How many workers there are on so many cores. A thread outside that makes the work has a core of its
    /// own, if there is more than one.
    pub fn workers(self, cores: usize) -> usize {
        (cores - usize::from(self.is_from_outside())).max(1)
    }

    /// How large the shape is on so many workers. On many workers it lasts less long, because a simulation
    /// takes longer, the more cores there are.
    pub(crate) fn size(self, workers: usize) -> Size {
        let is_small = workers <= FEW_WORKERS;
        let times = |few, many| if is_small { few } else { many };
        let size = match self {
            Self::SpawnJoin => Size { count: 10_000, times: 4 },
            Self::Yields => Size { count: 200 * workers, times: times(1_000, 500) },
            Self::Echo => Size { count: 64 * workers, times: times(60, 15) },
            Self::Ticks => Size { count: 2_000 * workers, times: times(15, 3) },
            Self::SpawnOutside => Size { count: 10_000, times: 1 },
            Self::Tree => Size { count: 2_048 * workers, times: times(4, 1) },
            Self::Scope(length) => Size { count: 2_000_000 * workers / length as usize, times: times(4, 2) },
            Self::SubmitOutside => Size { count: 2_000 * workers, times: 1 },
            Self::LoopsOutside => Size { count: 40 * workers, times: times(200, 50) },
        };
        Size { count: size.count.div_ceil(SHRINK), ..size }
    }
}

/// Tests run smaller shapes, since they are compiled without optimization.
const SHRINK: usize = if cfg!(test) { 8 } else { 1 };
/// The largest number of workers that counts as few.
const FEW_WORKERS: usize = 8;

/// The size of a shape: how many tasks or jobs, and how many times each goes on, or all are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) count: usize,
    pub(crate) times: usize,
}
