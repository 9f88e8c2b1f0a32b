//! A small HTTP server to fetch from: hyper on our runtime, on one thread of its own.
//!
//! It runs inside the program that measures its clients, so it keeps account of its own thread: [`Server::clock`] tells
//! what it has used, to be subtracted from what the process has.

mod clock;
mod routes;

pub use clock::ThreadClock;
pub use routes::ROUTES_HELP;

use brigade_handle::{Completer, JoinHandle};
use brigade_runtime::{
    hyper::{Io, Timer},
    net::{TcpListener, TcpStream},
};
use hyper::{server::conn::http1, service::service_fn};
use socket2::{Domain, Socket, Type};
use std::{
    future::poll_fn,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::mpsc,
    task::Poll,
    thread,
    time::Duration,
};

/// How long to wait when accepting fails, as it does while the process has no descriptor left.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(20);

/// How many connections may wait to be accepted; the system caps it (`net.core.somaxconn`).
const LISTEN_BACKLOG: i32 = 16 * 1024;

/// A running server. Dropping it stops it: its connections are closed and its thread has ended.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    clock: ThreadClock,
    stop: Option<Completer<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Starts a server on the loopback interface; port 0 lets the system choose one.
    ///
    /// # Errors
    ///
    /// If the port is taken or must not be used, or no thread can be had.
    pub fn start(port: u16) -> io::Result<Self> {
        let (stop, stopped) = brigade_handle::pair::<()>();
        let (report, started) = mpsc::channel();
        let body = move || {
            let clock = ThreadClock::mine();
            brigade_runtime::run(async move {
                match listen(port).and_then(TcpListener::from_std) {
                    Ok(listener) => {
                        let _ = report.send(listener.local_addr().map(|address| (address, clock)));
                        until(stopped, accept(listener)).await;
                    }
                    Err(error) => drop(report.send(Err(error))),
                }
            });
        };
        let thread = thread::Builder::new().name("server".into()).spawn(body)?;
        let (address, clock) =
            started.recv().unwrap_or_else(|_| Err(io::Error::other("the server's thread died")))?;
        Ok(Self { address, clock, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The clock of its thread, which tells the CPU time that it has used.
    pub fn clock(&self) -> &ThreadClock {
        &self.clock
    }

    /// Serves until the process ends.
    pub fn serve_for_ever(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.complete(Ok(()));
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A listener whose queue is as long as the system allows: ten thousand clients may come at once.
fn listen(port: u16) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

/// Runs `work` until `stopped` is complete.
async fn until(mut stopped: JoinHandle<()>, work: impl Future<Output = ()>) {
    let mut work = pin!(work);
    poll_fn(|cx| match stopped.poll_join(cx.waker()) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => work.as_mut().poll(cx),
    })
    .await;
}

async fn accept(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(brigade_runtime::spawn(converse(stream))),
            // A peer that hung up at once, or no descriptor free: neither is a reason to stop serving.
            Err(_) => brigade_runtime::sleep(ACCEPT_RETRY_DELAY).await,
        }
    }
}

/// Answers the requests of one connection.
async fn converse(stream: TcpStream) {
    let service =
        service_fn(
            |request| async move { Ok::<_, std::convert::Infallible>(routes::answer(&request).await) },
        );
    let connection = http1::Builder::new().timer(Timer).serve_connection(Io::new(stream), service);
    // An error means that the client is gone: nothing is left to tell it.
    let _ = connection.await;
}
