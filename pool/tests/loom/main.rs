//! Every order of the pool's protocols, as loom finds them: `RUSTFLAGS="--cfg loom" cargo test -p brigade-pool --test loom
//! --release`. Under loom both sides of the asymmetric fence are full fences.
#![cfg(loom)]

mod halves;
mod queue;
mod sleep;
mod waiting;

fn check(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}
