//! Every order of the pool's protocols, as loom finds them: `RUSTFLAGS="--cfg loom" cargo test -p brigade-pool --test loom
//! --release`. Under loom both sides of the asymmetric fence are full fences.
#![cfg(loom)]

// Unsafe: ends what a model holds by a pointer to it.
mod queue;
mod sleep;
#[allow(unsafe_code)]
mod stack_jobs;
// Unsafe: as `halves`.
#[allow(unsafe_code)]
mod waiting;

fn check(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}
