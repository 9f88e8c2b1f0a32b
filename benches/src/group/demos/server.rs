//! A server whose page takes its time, in a process of its own: hyper on our runtime, on one thread.

use crate::cpu;
use brigade_runtime::{hyper::Io, net::TcpListener, sleep};
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use std::{
    convert::Infallible,
    env,
    io::{self, BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// The first argument of a process that serves delays.
pub(crate) const ROLE: &str = "serve-delays";

/// The process of the server. Dropping this ends it.
pub(crate) struct DelayServer {
    child: Child,
    address: String,
}

impl DelayServer {
    pub(crate) fn start() -> Self {
        let executable = env::current_exe().expect("the system knows what it runs");
        let mut command = Command::new(executable);
        command.arg(ROLE).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = cpu::spawn_outsider(&mut command).expect("the machine lets us start a process");
        let mut address = String::new();
        let output = child.stdout.take().expect("the output was asked to be a pipe");
        BufReader::new(output).read_line(&mut address).expect("the server's output is text");
        Self { child, address: address.trim_end().to_owned() }
    }

    /// The URL of a page that takes this long.
    pub(crate) fn url(&self, delay: Duration) -> String {
        format!("http://{}/delay/{}", self.address, delay.as_millis())
    }
}

impl Drop for DelayServer {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.child.stdin.take());
        // An error means that it is gone already.
        let _ = self.child.wait();
    }
}

/// Runs the server: prints its address, and serves until its standard input ends.
pub(crate) fn main() {
    thread::spawn(|| {
        // Nothing comes before the end.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let Err::<Infallible, _>(error) = brigade_runtime::run(serve());
    panic!("the server cannot serve: {error}");
}

async fn serve() -> io::Result<Infallible> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = http1::Builder::new().serve_connection(Io::new(stream), service_fn(delayed));
        // An error means that the client has gone away.
        drop(brigade_runtime::spawn(connection));
    }
}

/// Answers `/delay/MILLISECONDS` after that time.
async fn delayed(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let millis = request.uri().path().strip_prefix("/delay/").and_then(|millis| millis.parse().ok());
    sleep(Duration::from_millis(millis.unwrap_or(0))).await;
    Ok(Response::new(Full::new(Bytes::from_static(b"done\n"))))
}
