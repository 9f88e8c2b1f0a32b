//! Who looks after the lanes: the supervisor while it is awake, a joiner that lingers, or the workers' bells.
//!
//! All of it is under the pool's lock. The rule: whenever the lock is free, somebody is going to look at
//! every answer. Either the supervisor is awake, or a joiner lingers, or all bells were armed and the lanes
//! were looked at once more after that (`wire/ring/mod.rs`).
//!
//! ```text
//!   supervisor                               joiner
//!   lock { attended, or arm() finds          lock { nobody lingers: spinning = true; silence the bells }
//!          nothing ripe: asleep = true }     … fetches what comes, for a few microseconds …
//!   poll(bell, …)                            lock { spinning = false; asleep? arm() until it finds nothing ripe }
//!   lock { asleep = false }
//! ```
//!
//! So the supervisor may fall asleep without armed bells while a joiner lingers, and the joiner arms them
//! when it leaves. `tests/loom.rs` has the model.

/// The state of it.
#[derive(Debug, Default)]
pub struct Attention {
    asleep: bool,
    spinning: bool,
}

impl Attention {
    /// A joiner comes to spin. False if another one does; if true, the bells are to be silenced.
    pub fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.spinning, true)
    }

    /// The joiner leaves. True if the lanes are now nobody's: the bells must be armed, and what is ripe
    /// fetched, before the lock is free.
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

    /// Somebody has something for the supervisor. True if its bell must be rung; it counts as awake from
    /// then on.
    #[must_use]
    pub fn call(&mut self) -> bool {
        std::mem::take(&mut self.asleep)
    }
}
