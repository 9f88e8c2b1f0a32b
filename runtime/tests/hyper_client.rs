//! hyper-util's pooled client on this runtime.
#![cfg(feature = "hyper-client")]
// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::runtimes;
use brigade_runtime::{
    gather,
    hyper::{Connector, Executor, Io, Timer},
    net::{TcpListener, TcpStream, unix::UnixStream},
    run, spawn,
    sync::Event,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::{Request, Response, Uri, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::client::legacy::{
    Client,
    connect::{Connected, Connection},
};
use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tower_service::Service;

fn client() -> Client<Connector, Empty<Bytes>> {
    Client::builder(Executor).pool_timer(Timer).build(Connector)
}

/// Serves connections, and counts them. A request for `/stuck` is answered when `stuck` is set.
async fn serve(listener: TcpListener, connections: Arc<AtomicUsize>, stuck: Arc<Event>) {
    while let Ok((stream, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        let stuck = stuck.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let stuck = stuck.clone();
            async move {
                if request.uri().path() == "/stuck" {
                    stuck.wait().await;
                }
                Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from("soup"))))
            }
        });
        drop(spawn(async move {
            let _ = http1::Builder::new().serve_connection(Io::new(stream), answer).await;
        }));
    }
}

async fn get(client: &Client<Connector, Empty<Bytes>>, uri: &str) -> Bytes {
    let response = client.get(uri.parse().unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap().to_bytes()
}

#[test]
fn requests_in_turn_share_a_connection_and_requests_at_once_do_not() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let uri = format!("http://{}/", listener.local_addr().unwrap());
            let (connections, stuck) = (Arc::<AtomicUsize>::default(), Arc::new(Event::new()));
            let server = spawn(serve(listener, connections.clone(), stuck.clone()));
            let client = client();
            for _ in 0..100 {
                assert_eq!(get(&client, &uri).await, "soup");
            }
            // A connection is idle a moment after its answer has come, so a quick request may make another.
            assert!(connections.load(Ordering::SeqCst) < 100);

            // A request that is dropped while it is under way takes its connection along, and nothing else.
            let stuck_uri = format!("{uri}stuck");
            let waiting = spawn({
                let (client, uri) = (client.clone(), stuck_uri.clone());
                async move { get(&client, &uri).await }
            });
            assert_eq!(get(&client, &uri).await, "soup");
            waiting.cancel();
            assert!(waiting.await.is_err());
            assert_eq!(get(&client, &uri).await, "soup");
            let at_once = gather([get(&client, &uri), get(&client, &stuck_uri)]);
            let setting = async { stuck.set() };
            let (texts, ()) = futures_util::future::join(at_once, setting).await;
            assert_eq!(texts, ["soup", "soup"]);
            server.cancel();
        });
    }
}

/// Returns the error beneath those of the client, and of hyper's around it.
async fn connect_error(uri: &str) -> std::io::Error {
    let error = client().get(uri.parse().unwrap()).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return std::io::Error::new(error.kind(), error.to_string());
        }
        source = error.source();
    }
    panic!("there is no error of a connection in {error:?}");
}

#[test]
fn a_connection_that_cannot_be_made_is_an_error_that_says_why() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        assert_eq!(connect_error(&uri).await.kind(), std::io::ErrorKind::ConnectionRefused);
        let secret = connect_error("https://localhost/").await;
        assert_eq!(secret.kind(), std::io::ErrorKind::InvalidInput);
        assert!(secret.to_string().contains("http://"), "{secret}");
    });
}

#[test]
fn an_address_of_ipv6_is_connected_to() {
    run(async {
        // A machine without IPv6 has no such address.
        let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
        let uri: Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let connected = futures_util::future::join(Connector.call(uri), listener.accept()).await;
        assert!(connected.0.is_ok() && connected.1.is_ok());
    });
}

/// A stream of a user, which has negotiated HTTP/2 as TLS does.
struct Negotiated(UnixStream);

impl Connection for Negotiated {
    fn connected(&self) -> Connected {
        self.0.connected().negotiated_h2()
    }
}

#[test]
fn the_adapter_passes_on_what_the_stream_says_of_itself() {
    run(async {
        let (one, other) = UnixStream::pair().unwrap();
        assert!(!Io::new(one).connected().is_negotiated_h2());
        assert!(Io::new(Negotiated(other)).connected().is_negotiated_h2());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(!stream.connected().is_proxied());
    });
}
