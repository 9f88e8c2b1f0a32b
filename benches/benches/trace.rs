//! Question: what does an event of the trace cost, and what do the trace's calls cost that record nothing?
//!
//! `compare trace` asks the same by turns. Its ratios are held against the goals.

fn main() {
    brigade_benches::report::criterion::run(brigade_benches::group::Group::Trace);
}
