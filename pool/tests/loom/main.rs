//! Every order of the pool's protocols, as loom finds them: `RUSTFLAGS="--cfg loom" cargo test -p brigade-pool --test loom
//! --release`. Under loom both sides of the asymmetric fence are full fences.
#![cfg(loom)]

// Unsafe: ends what a model holds by a pointer to it.
#[allow(unsafe_code)]
mod halves;
mod queue;
mod sleep;
// Unsafe: as `halves`.
#[allow(unsafe_code)]
mod waiting;

fn check(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}
