//! The same benches under criterion. Each bench is a criterion group, with Brigade's side beside each peer's.

use crate::{
    bench::{Bench, Measure, Metric, Side, Sides},
    group::Group,
};
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use std::{collections::BTreeSet, time::Duration};

/// Sets criterion up with run lengths for whole groups, and with its own options from the command line.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args()
}

/// Runs a group under criterion and leaves its HTML report in `target/criterion`.
///
/// It leaves benches that measure no time, such as memory, to `compare`.
pub fn run(group: Group) {
    let mut criterion = criterion();
    let benches = group.benches();
    let mut seen = BTreeSet::new();
    for bench in benches.iter().filter(|bench| matches!(bench.rows[0].metric, Metric::Wall | Metric::Rate)) {
        if !seen.insert(bench.name()) {
            continue;
        }
        let mut report = criterion.benchmark_group(format!("{}/{}", group.name(), bench.name()));
        report_side(&mut report, bench, "brigade", |sides| &mut sides.ours);
        for rival in benches.iter().filter(|rival| rival.name() == bench.name() && rival.peer != "limit") {
            report_side(&mut report, rival, rival.peer, |sides| &mut sides.peer);
        }
        report.finish();
    }
    criterion.final_summary();
}

/// Reports one side. Criterion calls the closure again and again. The sides are started once, and only if the
/// filter of the command line lets criterion call.
fn report_side(
    report: &mut BenchmarkGroup<'_, WallTime>,
    bench: &Bench,
    name: &str,
    side: fn(&mut Sides) -> &mut Side,
) {
    if let Err(why) = bench.possible() {
        eprintln!("{}/{name} skipped: {why}", bench.name());
        return;
    }
    let mut started = None;
    report.bench_function(name, |bencher| {
        let sides = started.get_or_insert_with(|| bench.prepare().expect("it was possible a moment ago"));
        bencher.iter_custom(|iterations| time(bench.rows[0].metric, &side(sides)(iterations), iterations));
    });
}

/// The time that criterion takes for this many iterations.
fn time(metric: Metric, measure: &Measure, iterations: u64) -> Duration {
    match metric {
        // These runs have a length of their own, so an operation counts as an iteration.
        Metric::Rate => measure.wall.mul_f64(iterations as f64 / measure.ops.max(1) as f64),
        _ => measure.wall,
    }
}
