//! A small HTTP server to fetch from: hyper on our runtime, on one thread of its own.
//!
//! The server runs inside the program that measures its clients. [`Server::clock`] tells the CPU time of the
//! server's thread, which is subtracted from the CPU time of the process.

mod clock;
mod routes;

pub use clock::ThreadClock;
pub use routes::ROUTES_HELP;

use brigade_handle::{Completer, JoinHandle};
use brigade_runtime::{
    Runtime,
    hyper::{Io, Timer},
    net::{TcpListener, TcpStream},
    sleep, spawn,
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

/// How long to wait after accepting has failed, as it does while the process has no descriptor left.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(20);

/// How many connections may wait to be accepted. The system may lower it (`net.core.somaxconn`).
const LISTEN_BACKLOG: i32 = 16 * 1024;

/// A running server. Dropping it closes its connections and waits for the end of its thread.
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
    /// Fails if the port is taken or must not be used, or if the thread cannot be started.
    pub fn start(port: u16) -> io::Result<Self> {
        let (stop, stopped) = brigade_handle::pair::<()>();
        let (report, started) = mpsc::channel();
        let body = move || {
            let clock = ThreadClock::of_this_thread();
            let runtime = match Runtime::current_thread() {
                Ok(runtime) => runtime,
                Err(error) => return drop(report.send(Err(error))),
            };
            runtime.block_on(async move {
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

    /// The address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path of this server. The path begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The CPU clock of the server's thread.
    pub fn clock(&self) -> &ThreadClock {
        &self.clock
    }

    /// Waits while the server serves, until the process ends.
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

/// Opens a listener whose queue is as long as the system allows, because ten thousand clients may come at
/// once.
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

// --code from here
async fn accept(listener: TcpListener) {
    loop {
        match listener.accept().await {
            // Dropping the handle detaches the task.
            Ok((stream, _)) => drop(spawn(converse(stream))),
            // The peer hung up at once, or no descriptor is free. Neither
            // is a reason to stop serving.
            Err(_) => sleep(ACCEPT_RETRY_DELAY).await,
        }
    }
}
// --code to here

/// Answers the requests of one connection.
async fn converse(stream: TcpStream) {
    let service =
        service_fn(
            |request| async move { Ok::<_, std::convert::Infallible>(routes::answer(&request).await) },
        );
    let connection = http1::Builder::new().timer(Timer).serve_connection(Io::new(stream), service);
    // An error means that the client is gone, so nobody is left to tell.
    let _ = connection.await;
}
