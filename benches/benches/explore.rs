//! Question: how long does it take to find and report a planted bug, beside shuttle and loom?
//!
//! `compare explore` asks the same by turns in one run. Its ratios are held against the goals.

fn main() {
    brigade_benches::report::criterion::run(brigade_benches::group::Group::Explore);
}
