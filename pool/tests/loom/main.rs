//! Loom models of the pool's protocols. Loom runs each model in every order that the memory model allows.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --target-dir target/loom -p brigade-pool --test loom
//! ```
//!
//! Under loom both sides of the asymmetric fence are full fences.
#![cfg(loom)]

mod queue;
mod sleep;
// Unsafe: finishes a state that the model holds, through a pointer to it.
#[allow(unsafe_code)]
mod stack_jobs;
// Unsafe: as `stack_jobs`.
#[allow(unsafe_code)]
mod waiting;

/// Checks a model with at most three preemptions in each execution.
fn check(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}
