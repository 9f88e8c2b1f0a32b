//! A web server that ends well: an axum `Router`, unchanged, over TLS. On ctrl-c or SIGTERM it accepts no
//! more connections, answers the requests that are under way, closes the idle connections, and ends.
//!
//! `cargo run -p brigade-examples --features web-server --bin web_server` plays a client as well, sends
//! itself a SIGINT, and checks all of that. `… -- serve` serves <https://127.0.0.1:8443/hello/you> until
//! ctrl-c (its certificate is made on the spot, so `curl --insecure`).

mod localhost;

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use brigade_runtime::{
    Either, JoinSet, Runtime,
    command::Command,
    hyper::{Io, Timer},
    net::{TcpListener, TcpStream},
    select,
    signal::{SignalKind, signal},
    sleep, spawn,
    sync::Event,
    timeout,
};
use futures_rustls::{TlsAcceptor, TlsConnector, pki_types::ServerName};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, body::Incoming, client, server::conn::http1, service::service_fn};
use localhost::both_sides;
use std::{error::Error, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tower_service::Service;

/// How long a client may take for the handshake, and for the head of a request.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests that are under way may take when the server ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the play with both sides may take.
const PLAY_TIMEOUT: Duration = Duration::from_secs(60);
/// The pause after the operating system has refused a connection, such as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A dish that takes its time: the client hears that it was begun, and says when it is done.
#[derive(Clone, Default)]
struct Kitchen {
    begun: Arc<Event>,
    done: Arc<Event>,
}

fn router(kitchen: Kitchen) -> Router {
    let slow = async |State(kitchen): State<Kitchen>| {
        kitchen.begun.set();
        kitchen.done.wait().await;
        "the soup, at last"
    };
    Router::new()
        .route("/hello/{name}", get(async |Path(name): Path<String>| format!("hello {name}")))
        .route("/slow", get(slow))
        .with_state(kitchen)
}

/// Serves one connection. When `ending` is set, it answers the request that is under way and closes.
async fn serve_one(stream: TcpStream, tls: TlsAcceptor, router: Router, ending: Arc<Event>) {
    let handshake = timeout(CLIENT_TIMEOUT, tls.accept(stream)).await;
    let Ok(Ok(stream)) = handshake else { return };
    let service = service_fn(move |request: Request<Incoming>| router.clone().call(request));
    let mut http = http1::Builder::new();
    http.timer(Timer).header_read_timeout(CLIENT_TIMEOUT);
    let mut connection = pin!(http.serve_connection(Io::new(stream), service));
    // `select` drops the future that was not ready. It borrows the connection, so that goes on.
    let end = match select(connection.as_mut(), ending.wait()).await {
        Either::Left(end) => end,
        Either::Right(()) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = end {
        eprintln!("a connection ended with {error}");
    }
}

/// Serves until SIGINT or SIGTERM, then drains. Returns false if requests were abandoned.
async fn serve(listener: TcpListener, tls: TlsAcceptor, router: Router) -> io::Result<bool> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::INTERRUPT)?, signal(SignalKind::TERMINATE)?);
    let ending = Arc::new(Event::new());
    let mut connections = JoinSet::new();
    loop {
        let told_to_end = select(interrupt.recv(), terminate.recv());
        match select(told_to_end, listener.accept()).await {
            Either::Left(_) => break,
            Either::Right(Ok((stream, _))) => {
                // A task for each connection. The set knows them all, so that the end can wait for them.
                let connection = serve_one(stream, tls.clone(), router.clone(), ending.clone());
                connections.spawn(connection);
            }
            Either::Right(Err(_)) => sleep(ACCEPT_PAUSE).await,
        }
        // Forgets the connections that have ended.
        while connections.try_join_next().is_some() {}
    }
    println!("ends, with {} connections", connections.len());
    // From here on new connections are refused.
    drop(listener);
    ending.set();
    Ok(timeout(DRAIN_TIMEOUT, connections.join_all()).await.is_ok())
}

/// A client with one connection.
struct Client(client::conn::http1::SendRequest<Empty<Bytes>>);

impl Client {
    async fn connect(tls: &TlsConnector, address: SocketAddr) -> Result<Self, Box<dyn Error>> {
        let stream = TcpStream::connect(address).await?;
        let stream = tls.connect(ServerName::try_from("localhost")?, stream).await?;
        let (client, connection) = client::conn::http1::handshake(Io::new(stream)).await?;
        drop(spawn(connection));
        Ok(Self(client))
    }

    async fn get(&mut self, path: &str) -> Result<Bytes, hyper::Error> {
        let request = Request::get(path).header("host", "localhost").body(Empty::new());
        let response = self.0.send_request(request.expect("a request")).await?;
        Ok(response.into_body().collect().await?.to_bytes())
    }
}

async fn play_both_sides() -> Result<(), Box<dyn Error>> {
    let (acceptor, connector) = both_sides()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let kitchen = Kitchen::default();
    let server = spawn(serve(listener, acceptor, router(kitchen.clone())));

    let mut idle = Client::connect(&connector, address).await?;
    assert_eq!(idle.get("/hello/Ada").await?, "hello Ada");
    let mut busy = Client::connect(&connector, address).await?;
    let slow = spawn(async move { busy.get("/slow").await });
    kitchen.begun.wait().await;

    println!("sends itself a SIGINT while a request is under way");
    Command::new("kill").arg("-INT").arg(std::process::id().to_string()).status().await?;
    while TcpStream::connect(address).await.is_ok() {
        sleep(Duration::from_millis(1)).await;
    }
    println!("new connections are refused");
    kitchen.done.set();
    assert_eq!(slow.await??, "the soup, at last");
    println!("the request was answered");
    assert!(server.await??, "nothing was abandoned");
    assert!(idle.get("/hello/Alan").await.is_err(), "the idle connection was closed");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Runtime::multi_thread(2)?;
    if std::env::args().nth(1).as_deref() != Some("serve") {
        return runtime.block_on(async { timeout(PLAY_TIMEOUT, play_both_sides()).await? });
    }
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:8443").await?;
        println!("serves https://127.0.0.1:8443/hello/you until ctrl-c");
        let drained = serve(listener, both_sides()?.0, router(Kitchen::default())).await?;
        if drained { Ok(()) } else { Err(format!("some requests took longer than {DRAIN_TIMEOUT:?}").into()) }
    })
}
