//! Question: what does a join, a spawn, a wake-up cost on our thread pool, and what do nine classic programs
//! gain, beside rayon, chili and one thread?
//!
//! `compare pool` asks the same by turns in one run. Its ratios are held against the goals.

fn main() {
    // As a worker of the process pool this does not return.
    brigade_process::init();
    if brigade_benches::roles::play() {
        return;
    }
    brigade_benches::report::criterion::run(brigade_benches::group::Group::Pool);
}
