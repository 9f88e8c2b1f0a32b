//! Question: what do a task, a yield, a message, a timer, a request cost on our runtime, beside tokio and
//! smol?
//!
//! `compare runtime` asks the same by turns in one run. Its ratios are held against the goals. It measures
//! memory, too.

fn main() {
    // As a worker of the process pool this does not return.
    brigade_process::init();
    if brigade_benches::roles::play() {
        return;
    }
    brigade_benches::report::criterion::run(brigade_benches::group::Group::Runtime);
}
