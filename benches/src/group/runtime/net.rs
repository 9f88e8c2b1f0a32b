//! Servers on one thread, pinned to one CPU; the load comes from a process pinned to another.
//!
//! Each server is the simplest that works: it accepts, spawns, and either echoes or answers "Hello, world!"
//! through hyper.

use crate::{
    bench::{Bench, Measure, Metric, Row, Side, rest, sides},
    cpu,
    load::{Load, Traffic},
    sys,
};
use futures_util::future::{self, Either};
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use smol::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::mpsc,
    thread,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
};

/// The CPU of the servers. The load has another one.
const SERVER_CPU: usize = 0;

/// How long a run lasts.
const RUN_LENGTH: Duration = Duration::from_millis(250);

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Makes a future that answers requests through hyper over HTTP/2. This is no function, because the bounds on
/// hyper's executor have no public name.
macro_rules! hello2 {
    ($executor:expr, $timer:expr, $io:expr) => {{
        let io = $io;
        async move {
            let mut builder = http2::Builder::new($executor);
            let _ = builder.timer($timer).serve_connection(io, service_fn(greet)).await;
        }
    }};
}

/// A server on a thread of its own. Dropping it ends the server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// A function that runs a server: it sends the address when it listens, and serves until it is told to stop.
pub(crate) type Serve = fn(Traffic, mpsc::Sender<SocketAddr>, oneshot::Receiver<()>) -> io::Result<()>;

impl Server {
    /// Starts a server on the CPU of the servers.
    pub(crate) fn start(traffic: Traffic, serve: Serve) -> Self {
        Self::start_on(traffic, serve, || {
            // This fails on a machine with one CPU, where load and server cannot be kept apart.
            let _ = sys::pin(SERVER_CPU);
        })
    }

    /// Starts a server that has all CPUs.
    pub(super) fn start_anywhere(traffic: Traffic, serve: Serve) -> Self {
        Self::start_on(traffic, serve, || ())
    }

    fn start_on(traffic: Traffic, serve: Serve, settle: fn()) -> Self {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            settle();
            serve(traffic, tell, stopped).expect("a server on the loopback interface starts");
        });
        let address = told.recv().expect("the server tells its address");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // An error means that the server panicked, which it has reported.
            let _ = thread.join();
        }
    }
}

/// The benches: how many requests there are in a second, how much CPU time each costs the server, and how
/// long each takes.
pub(crate) fn benches() -> Vec<Bench> {
    let peers: [(&str, Serve); 2] = [("tokio ct", tokio_server), ("smol ct", smol_server)];
    let mut benches = Vec::new();
    for (names, traffic, connections) in [
        (["echo_64", "echo_64_cpu", "echo_64_p50", "echo_64_p99"], Traffic::Echo, 64),
        (["echo_1024", "echo_1024_cpu", "echo_1024_p50", "echo_1024_p99"], Traffic::Echo, 1024),
        (["hello_64", "hello_64_cpu", "hello_64_p50", "hello_64_p99"], Traffic::Http, 64),
    ] {
        for (peer, serve) in peers {
            let cpu_goal = if peer == "tokio ct" { 0.9 } else { 1.0 };
            let served = move |serve| served(traffic, connections, serve);
            let mut bench = Bench::new(names[0], peer, move || sides(served(brigade_server), served(serve)));
            bench.rows = vec![
                Row { name: names[0], metric: Metric::Rate, goal: Some(1.0) },
                Row { name: names[1], metric: Metric::Cpu, goal: Some(cpu_goal) },
                Row { name: names[2], metric: Metric::ExtraTime(0), goal: None },
                Row { name: names[3], metric: Metric::ExtraTime(1), goal: Some(1.0) },
            ];
            benches.push(bench);
        }
    }
    benches
}

fn served(traffic: Traffic, connections: usize, serve: Serve) -> Side {
    sys::raise_descriptor_limit();
    let server = Server::start(traffic, serve);
    let load = Load::start(traffic, server.address, connections);
    loaded(server, load)
}

/// Makes a side of a server and its load.
pub(super) fn loaded(server: Server, mut load: Load) -> Side {
    Box::new(move |_| {
        // The server is dropped after the load, and with this closure.
        let _alive = &server;
        let before = cpu::own();
        let report = load.run(RUN_LENGTH);
        rest();
        let cpu = cpu::own().saturating_sub(before);
        Measure { ops: report.requests, wall: report.wall, cpu, extra: vec![report.p50, report.p99] }
    })
}

/// Runs a server's future until it is told to stop.
pub(super) async fn until(
    stop: oneshot::Receiver<()>,
    serve: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    match future::select(pin!(serve), stop).await {
        Either::Left((ended, _)) => ended,
        Either::Right(_) => Ok(()),
    }
}

/// Brigade's server.
pub(crate) fn brigade_server(
    traffic: Traffic,
    tell: mpsc::Sender<SocketAddr>,
    stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    brigade_runtime::Runtime::current_thread()?.block_on(until(stop, serve_brigade(traffic, tell)))
}

/// Serves on Brigade's runtime, with any number of threads.
pub(super) async fn serve_brigade(traffic: Traffic, tell: mpsc::Sender<SocketAddr>) -> io::Result<()> {
    use brigade_runtime::{
        hyper::{Executor, Io, Timer},
        net::TcpListener,
        spawn,
    };
    let listener = TcpListener::bind(ANY).await?;
    // The receiver waits for the address, so it is there.
    let _ = tell.send(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        drop(match traffic {
            Traffic::Echo | Traffic::Accept => spawn(echo(stream)),
            Traffic::Http => spawn(hello(Io::new(stream))),
            Traffic::Http2 => spawn(hello2!(Executor, Timer, Io::new(stream))),
        });
    }
}

/// tokio's server.
pub(crate) fn tokio_server(
    traffic: Traffic,
    tell: mpsc::Sender<SocketAddr>,
    stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(until(stop, serve_tokio(traffic, tell)))
}

/// Serves on tokio, with any number of threads.
pub(super) async fn serve_tokio(traffic: Traffic, tell: mpsc::Sender<SocketAddr>) -> io::Result<()> {
    use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
    use tokio::{net::TcpListener, spawn};
    let listener = TcpListener::bind(ANY).await?;
    let _ = tell.send(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        drop(match traffic {
            Traffic::Echo | Traffic::Accept => spawn(echo_tokio(stream)),
            Traffic::Http => spawn(hello(TokioIo::new(stream))),
            Traffic::Http2 => spawn(hello2!(TokioExecutor::new(), TokioTimer::new(), TokioIo::new(stream))),
        });
    }
}

/// smol's server.
pub(crate) fn smol_server(
    traffic: Traffic,
    tell: mpsc::Sender<SocketAddr>,
    stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    let executor = smol::LocalExecutor::new();
    let serve = async {
        let listener = smol::net::TcpListener::bind(ANY).await?;
        let _ = tell.send(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let task = match traffic {
                Traffic::Echo | Traffic::Accept => executor.spawn(echo(stream)),
                Traffic::Http2 => return Err(io::ErrorKind::Unsupported.into()),
                Traffic::Http => executor.spawn(hello(smol_hyper::rt::FuturesIo::new(stream))),
            };
            task.detach();
        }
    };
    smol::block_on(executor.run(until(stop, serve)))
}

/// Sends back all bytes that come, until the client goes away.
async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = AsyncReadExt::read(&mut stream, &mut buffer).await {
        if AsyncWriteExt::write_all(&mut stream, &buffer[..count]).await.is_err() {
            break;
        }
    }
}

/// Like [`echo`], with tokio's traits.
async fn echo_tokio(mut stream: tokio::net::TcpStream) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
}

/// Answers requests through hyper, until the client goes away.
async fn hello(io: impl hyper::rt::Read + hyper::rt::Write + Unpin) {
    let _ = http1::Builder::new().serve_connection(io, service_fn(greet)).await;
}

async fn greet(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(b"Hello, world!"))))
}
