//! Servers on two workers, against tokio's multi-threaded runtime.
//!
//! The load comes from a process of one thread. Neither it nor the server is pinned: on a machine with two
//! CPUs these three threads share them, and the system decides who runs where. So throughput says what the
//! server leaves to the load as well. The CPU time is the server's alone.

use super::net::{Serve, Server, loaded, serve_brigade, serve_tokio, until};
use crate::{
    bench::{Bench, Metric, Row, Side, sides},
    load::{Load, Traffic},
    sys,
};
use std::{io, net::SocketAddr, sync::mpsc};
use tokio::sync::oneshot;

const WORKERS: usize = 2;

/// The benches: requests in a second, the server's CPU time for each, and how long each takes.
pub(crate) fn benches() -> Vec<Bench> {
    const NAMES: [([&str; 4], Traffic, usize); 8] = [
        (["echo2_64", "echo2_64_cpu", "echo2_64_p50", "echo2_64_p99"], Traffic::Echo, 64),
        (["echo2_1024", "echo2_1024_cpu", "echo2_1024_p50", "echo2_1024_p99"], Traffic::Echo, 1024),
        (["hello2_64", "hello2_64_cpu", "hello2_64_p50", "hello2_64_p99"], Traffic::Http, 64),
        (["hello2_1024", "hello2_1024_cpu", "hello2_1024_p50", "hello2_1024_p99"], Traffic::Http, 1024),
        (["http2_64", "http2_64_cpu", "http2_64_p50", "http2_64_p99"], Traffic::Http2, 64),
        (["http2_1024", "http2_1024_cpu", "http2_1024_p50", "http2_1024_p99"], Traffic::Http2, 1024),
        (["accept2_64", "accept2_64_cpu", "accept2_64_p50", "accept2_64_p99"], Traffic::Accept, 64),
        (["accept2_1024", "accept2_1024_cpu", "accept2_1024_p50", "accept2_1024_p99"], Traffic::Accept, 1024),
    ];
    let bench = |(names, traffic, connections): ([&'static str; 4], Traffic, usize)| {
        let served = move |serve| served(traffic, connections, serve);
        let mut bench = Bench::new(names[0], "tokio", move || sides(served(brigade), served(tokio)));
        bench.rows = vec![
            Row { name: names[0], metric: Metric::Rate, goal: Some(1.0) },
            Row { name: names[1], metric: Metric::Cpu, goal: Some(1.0) },
            Row { name: names[2], metric: Metric::ExtraTime(0), goal: None },
            Row { name: names[3], metric: Metric::ExtraTime(1), goal: Some(1.0) },
        ];
        bench
    };
    NAMES.into_iter().map(bench).collect()
}

fn served(traffic: Traffic, connections: usize, serve: Serve) -> Side {
    sys::raise_descriptor_limit();
    let server = Server::start_anywhere(traffic, serve);
    let load = Load::start_anywhere(traffic, server.address, connections);
    loaded(server, load)
}

/// Brigade's server. The listener is a task, so that the workers alone do the work.
fn brigade(traffic: Traffic, tell: mpsc::Sender<SocketAddr>, stop: oneshot::Receiver<()>) -> io::Result<()> {
    let runtime = brigade_runtime::Runtime::multi_thread(WORKERS)?;
    let serving = runtime.spawn(serve_brigade(traffic, tell));
    runtime.block_on(until(stop, async { serving.await.expect("a server does not panic") }))
}

/// tokio's server, likewise.
fn tokio(traffic: Traffic, tell: mpsc::Sender<SocketAddr>, stop: oneshot::Receiver<()>) -> io::Result<()> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(WORKERS).enable_all().build()?;
    let serving = runtime.spawn(serve_tokio(traffic, tell));
    runtime.block_on(until(stop, async { serving.await.expect("a server does not panic") }))
}
