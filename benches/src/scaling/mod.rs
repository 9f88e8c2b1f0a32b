//! Scaling: predicts how the runtime and the pool behave on more cores than this machine has.
//!
//! ```text
//!   calibrate ──▶ Costs ──▶ simulate(shape, cores, design) ──▶ Prediction
//!     measures this machine         │ engine: virtual time, cores, cache lines, locks
//!                                   │ runtime, pool: the protocols, function by function
//!   real(shape, 1 and 2 cores) ──▶ validate: predicted / measured
//! ```
//!
//! The protocols are modelled as they are built, and only the price of their steps is measured. So a
//! prediction can be wrong, and `validate` says by how much, on the cores that there are.

pub mod calibrate;
pub mod costs;
pub(crate) mod engine;
mod pool;
pub mod real;
pub mod report;
mod runtime;
pub mod shape;
pub mod simulate;
#[cfg(test)]
mod tests;
pub mod validate;

pub use runtime::Design;
