//! Question: how do the document's two headline experiments scale from sync to threads, async and processes?
//!
//! There are five fetches of a page that takes 10 ms, and five sums of squares that keep one core busy for
//! more than a second: with the document's n the start of a pool and other load would decide. In each chart
//! of criterion's report `sync` is the sequential baseline. Each figure is taken from ten runs. A run begins
//! with nothing, as in the document: the start of a pool is part of it.

use ::criterion::Criterion;
use brigade_benches::{
    bench::Side,
    group::demos::{CPU_MODES, IO_MODES, Mode, cpu_side, io_side},
    report::criterion,
};
use std::time::Duration;

/// The end of each sum.
const SUM_END: u64 = 400_000_000;

fn main() {
    // As a worker of the process pool this does not return.
    brigade_process::init();
    if brigade_benches::roles::play() {
        return;
    }
    let mut criterion = criterion::criterion();
    experiment(&mut criterion, "demos/io_bound", &IO_MODES, |mode| io_side(mode, Duration::from_millis(10)));
    experiment(&mut criterion, "demos/cpu_bound", &CPU_MODES, |mode| cpu_side(mode, SUM_END));
    criterion.final_summary();
}

fn experiment(criterion: &mut Criterion, name: &str, modes: &[Mode], side: impl Fn(Mode) -> Side) {
    let mut group = criterion.benchmark_group(name);
    for mode in modes {
        let mut started = None;
        group.bench_function(mode.name(), |bencher| {
            let side = started.get_or_insert_with(|| side(*mode));
            bencher.iter_custom(|iterations| side(iterations).wall);
        });
    }
    group.finish();
}
