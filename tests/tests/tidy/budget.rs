//! Every operation of the runtime keeps to the budget, however often it is ready: `runtime/tests/budget`
//! repeats each of them, or this file names it with a reason.

use crate::{demand, source};

/// Files and single operations that the test may leave out, each with its reason.
const ELSEWHERE: &[(&str, &str)] = &[
    ("runtime/src/net/split.rs", "a half passes on what the connection does"),
    ("runtime/src/command/mod.rs", "each is a new child"),
    ("runtime/src/command/child.rs wait_with_output", "it takes the child"),
    ("runtime/src/signal.rs", "a signal is told by a source, as readiness is"),
    (
        "runtime/src/fs/mod.rs",
        "each is a blocking call, whose handle counts, as the test shows of `metadata`",
    ),
    ("runtime/src/fs/file.rs", "as for `fs/mod.rs`"),
    ("runtime/src/fs/read_dir.rs read_dir", "as for `fs/mod.rs`"),
    ("runtime/src/compat/hyper.rs", "passes on what sockets do"),
    ("runtime/src/compat/tokio_io.rs", "passes on what sockets do"),
    ("runtime/src/group/task_group.rs GroupFuture", "the future of `task_group`"),
    ("runtime/src/group/member.rs Member", "a task's own future"),
    ("runtime/src/group/scope.rs ScopedTask", "a task's own future"),
    ("runtime/src/combine/unconstrained.rs", "it is there to let nobody run"),
    ("runtime/src/sync/wait_queue.rs WaitFuture", "what the operations of `sync` are made of"),
];

/// The operations that a file offers: async functions, futures, streams, sinks, and polls.
fn operations(text: &str) -> Vec<String> {
    let name = |rest: &str| -> String {
        rest.trim_start_matches("r#").chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let of_line = |line: &str| {
        let after = |marker: &str| line.find(marker).map(|at| name(&line[at + marker.len()..]));
        if line.trim_start().starts_with("//") {
            return None;
        }
        let is_impl = line.starts_with("impl");
        let traits = ["Future for ", "Stream for ", "Sink<T> for "];
        let implemented = traits.iter().filter(|_| is_impl).find_map(|of| after(of));
        implemented
            .or_else(|| after("pub async fn "))
            .or_else(|| after("pub fn poll_").map(|name| format!("poll_{name}")))
    };
    text.lines().filter_map(of_line).collect()
}

#[test]
fn every_operation_of_the_runtime_is_repeated_by_a_test() {
    let files = source::files(".rs");
    let tests = files.iter().filter(|file| file.path.starts_with("runtime/tests/budget/"));
    let test: String = tests.map(|file| file.text.as_str()).collect();
    let mut missing = Vec::new();
    let sources =
        files.iter().filter(|file| file.path.starts_with("runtime/src/") && !file.path.contains("/model"));
    for file in sources {
        for operation in operations(file.without_unit_tests()) {
            let here = format!("{} {operation}", file.path);
            let is_elsewhere = ELSEWHERE.iter().any(|(prefix, _)| here.starts_with(prefix));
            let named = format!("\"{}\"", here.trim_start_matches("runtime/src/"));
            if !is_elsewhere && !test.contains(&named) {
                missing.push(named);
            }
        }
    }
    demand("an operation that can be ready again and again is repeated in `runtime/tests/budget`", missing);
}

#[test]
fn the_rule_sees_every_kind_of_operation() {
    let text = "\
        pub async fn recv(&mut self) {}\n\
        // pub async fn not_code() {}\n\
        pub fn poll_recv(&mut self) {}\n\
        impl<T> Future for Receiver<T> {\n\
        impl Stream for Interval {\n\
        impl<T> Sink<T> for UnboundedSender<T> {\n\
        async fn private() {}\n";
    assert_eq!(operations(text), ["recv", "poll_recv", "Receiver", "Interval", "UnboundedSender"]);
}
