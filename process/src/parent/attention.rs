//! The rule by which somebody looks after the lanes: the supervisor while it is awake, a joiner that spins,
//! or the workers' bells.
//!
//! All of it is under the pool's lock. The rule: whenever the lock is free, somebody is going to look at
//! every answer. Either the supervisor is awake, or a joiner spins, or all bells were armed and the lanes
//! were looked at once more after that (`wire/ring/mod.rs`).
//!
//! ```text
//!   supervisor                              joiner
//!   lock { spinning, or arm() finds         lock { nobody spins: spinning = true; silence the bells }
//!          nothing ripe: asleep = true }    … fetches what comes, for a few microseconds …
//!   poll(bell, …)                           lock { spinning = false;
//!   lock { asleep = false }                        asleep? arm() until it finds nothing ripe }
//! ```
//!
//! So the supervisor may fall asleep without armed bells while a joiner spins, and the joiner arms them
//! when it leaves. `tests/loom.rs` has the model.

/// Which threads look after the lanes now.
#[derive(Debug, Default)]
pub struct Attention {
    asleep: bool,
    spinning: bool,
}

impl Attention {
    /// A joiner begins to spin. False if another one spins already. If true, the caller must silence the
    /// bells.
    pub fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.spinning, true)
    }

    /// The joiner leaves. True if nobody looks after the lanes now: the caller must arm the bells and fetch
    /// ripe answers before it frees the lock.
    #[must_use]
    pub fn end(&mut self) -> bool {
        self.spinning = false;
        self.asleep
    }

    /// The supervisor wants to sleep. False if it must not, because `arm`, which arms the bells, has found
    /// something ripe.
    pub fn fall_asleep(&mut self, arm: impl FnOnce() -> bool) -> bool {
        self.asleep = self.spinning || arm();
        self.asleep
    }

    /// The supervisor is awake.
    pub fn wake_up(&mut self) {
        self.asleep = false;
    }

    /// A thread has something for the supervisor. True if the bell must be rung; the supervisor counts as
    /// awake from then on.
    #[must_use]
    pub fn call(&mut self) -> bool {
        std::mem::take(&mut self.asleep)
    }
}
