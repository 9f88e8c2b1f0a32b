//! A soak test of a server: hyper on this runtime, with clients that leave in the middle of a request, read
//! slowly, fall silent, or reset their connection. After each round, when all clients have gone, the server
//! must have as many descriptors open as after the first round. At the end it must have about as much
//! memory. A lost wake-up shows as a hang, and so does a connection that never ends.
//!
//! The test runs a few rounds. `BRIGADE_SOAK_SECONDS` makes it run for that many seconds.
//!
//! The server listens at two doors. At the *patient* door a connection's time limit is so long that no load
//! of the machine reaches it: a well-behaved client is answered there, or the test fails. At the *impatient*
//! door the limit is so short that a client that waits is disconnected soon. An answer may be cut off there,
//! but the part that has arrived must be right.

#![cfg(feature = "hyper")]
// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

mod clients;
// Unsafe: a system call.
#[allow(unsafe_code)]
mod sys;

use brigade_runtime::{
    JoinHandle, Runtime,
    hyper::{Io, Timer},
    net::TcpListener,
    sleep, spawn, timeout,
};
use brigade_trace::clock;
use bytes::Bytes;
use clients::{Doors, Tally};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use std::{
    env, fs, io,
    net::SocketAddr,
    sync::{Arc, Condvar, LazyLock, Mutex, atomic::AtomicU64, atomic::Ordering},
    time::Duration,
};

/// The fewest rounds, and the number of rounds after which memory counts as warm.
const ROUNDS: u64 = 5;
const WARM: u64 = 2;
const PATIENCE: Duration = Duration::from_secs(3600);
const IMPATIENCE: Duration = Duration::from_millis(15);
/// The bound on the growth of memory after warm-up, in bytes. A leak of a kilobyte in each connection of a
/// long run exceeds it by far.
const GROWTH: u64 = 32 << 20;

/// A large answer: more than the socket buffers of both sides take if the client does not read.
static LARGE: LazyLock<Vec<u8>> = LazyLock::new(|| (0..6 << 20).map(|n: u32| (n % 251) as u8).collect());

/// Counts the connections: open, accepted, and cut off by the server.
#[derive(Default)]
struct Hall {
    inside: Mutex<u64>,
    left: Condvar,
    accepted: AtomicU64,
    /// Connections that took longer than their limit.
    turned_out: AtomicU64,
}

impl Hall {
    fn enter(self: &Arc<Self>) -> Guest {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        *self.inside.lock().unwrap() += 1;
        Guest(self.clone())
    }

    /// Blocks until all connections are over.
    fn wait_until_empty(&self) {
        drop(self.left.wait_while(self.inside.lock().unwrap(), |inside| *inside > 0).unwrap());
    }
}

/// A connection, as the hall counts it.
struct Guest(Arc<Hall>);

impl Drop for Guest {
    fn drop(&mut self) {
        *self.0.inside.lock().unwrap() -= 1;
        self.0.left.notify_all();
    }
}

/// Answers `GET /large` with [`LARGE`], another `GET` with its path (`/later…` after a while), and a `POST`
/// with the number of bytes that came and their sum.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path();
    let body = match *request.method() {
        Method::POST => {
            let body = request.into_body().collect().await?.to_bytes();
            let sum: u64 = body.iter().copied().map(u64::from).sum();
            Bytes::from(format!("{} bytes, sum {sum}", body.len()))
        }
        _ if path == "/large" => Bytes::from_static(&LARGE),
        _ => {
            if path.starts_with("/later") {
                sleep(Duration::from_micros(700)).await;
            }
            Bytes::from(path.to_owned())
        }
    };
    Ok(Response::new(Full::new(body)))
}

/// Serves each connection in a task of its own, for `limit` at most.
async fn receive(listener: TcpListener, limit: Duration, hall: Arc<Hall>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Some systems report this for a client that has gone already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => panic!("accept: {error}"),
        };
        let guest = hall.enter();
        drop(spawn(async move {
            let mut server = http1::Builder::new();
            server.timer(Timer).header_read_timeout(limit).half_close(true);
            let connection = server.serve_connection(Io::new(stream), service_fn(answer));
            if timeout(limit, connection).await.is_err() {
                guest.0.turned_out.fetch_add(1, Ordering::Relaxed);
            }
            // The connection is dropped, which closes its descriptor.
            drop(guest);
        }));
    }
}

fn open_door(runtime: &Runtime, limit: Duration, hall: &Arc<Hall>) -> (SocketAddr, JoinHandle<()>) {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    (address, runtime.spawn(receive(listener, limit, hall.clone())))
}

/// The number of open descriptors of this process, and its memory in bytes. Outside of Linux both are
/// zero.
#[derive(Debug, Clone, Copy)]
struct Usage {
    descriptors: usize,
    resident: u64,
}

fn usage() -> Usage {
    if !cfg!(target_os = "linux") {
        return Usage { descriptors: 0, resident: 0 };
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    Usage { descriptors: fs::read_dir("/proc/self/fd").unwrap().count(), resident: kilobytes << 10 }
}

#[test]
fn a_server_stays_what_it_was_whatever_its_clients_do() {
    let seconds = env::var("BRIGADE_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    let (begin, time) = (clock::now(), Duration::from_secs_f64(seconds));
    let before = usage();
    let hall = Arc::new(Hall::default());
    let tally = Tally::default();
    let runtime = Runtime::multi_thread(2).unwrap();
    let (patient, patient_door) = open_door(&runtime, PATIENCE, &hall);
    let (impatient, impatient_door) = open_door(&runtime, IMPATIENCE, &hall);
    let doors = Doors { patient, impatient };

    let mut rounds = Vec::new();
    while (rounds.len() as u64) < ROUNDS || begin.elapsed() < time {
        clients::round(rounds.len() as u64, &doors, &tally);
        hall.wait_until_empty();
        let now = usage();
        let first: &Usage = rounds.first().unwrap_or(&now);
        assert_eq!(now.descriptors, first.descriptors, "descriptors are left in round {}", rounds.len());
        rounds.push(now);
    }
    let (warm, end) = (rounds[WARM as usize - 1], rounds[rounds.len() - 1]);
    assert!(end.resident <= warm.resident + GROWTH, "memory grew from {warm:?} to {end:?}");

    for door in [patient_door, impatient_door] {
        door.cancel();
        assert!(door.join().is_err(), "a door was closed before its time");
    }
    runtime.shutdown();
    assert_eq!(usage().descriptors, before.descriptors, "descriptors are left by the runtime");
    println!("{} rounds in {:.1?}, {tally}", rounds.len(), begin.elapsed());
    println!("{:?} accepted, {:?} turned out", hall.accepted, hall.turned_out);
    println!("before {before:?}, first {:?}, warm {warm:?}, end {end:?}", rounds[0]);
}
