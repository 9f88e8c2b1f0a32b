//! Question: what do the start of a process pool, a call, a round trip and a large value cost, beside
//! CPython's pools?
//!
//! `compare process` asks the same by turns in one run. Its ratios are held against the goals.

fn main() {
    // As a worker of the process pool this does not return.
    brigade_process::init();
    if brigade_benches::roles::play() {
        return;
    }
    brigade_benches::report::criterion::run(brigade_benches::group::Group::Process);
}
