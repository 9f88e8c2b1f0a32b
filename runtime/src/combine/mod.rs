//! Combinators: futures that poll several futures inside one task, and futures that change how another one
//! runs.

pub(crate) mod as_completed;
pub(crate) mod gather;
pub(crate) mod generator;
pub(crate) mod next;
pub(crate) mod poll_set;
// Unsafe: pins the racers inside of their race.
#[allow(unsafe_code)]
pub(crate) mod race;
pub(crate) mod shield;
pub(crate) mod unconstrained;
pub(crate) mod yield_now;
