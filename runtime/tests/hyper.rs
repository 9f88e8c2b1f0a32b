//! hyper on this runtime, against itself and against a plain blocking client.
#![cfg(feature = "hyper")]
// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    Runtime, gather,
    hyper::{Io, Timer},
    net::{TcpListener, TcpStream},
    run, sleep, spawn,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use std::{
    convert::Infallible,
    io::{Read, Write},
    net::SocketAddr,
    time::Duration,
};

async fn delayed(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let milliseconds = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
    sleep(Duration::from_millis(milliseconds)).await;
    Ok(Response::new(Full::new(Bytes::from(format!("after {milliseconds}")))))
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        drop(spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            let _ = server.timer(Timer).serve_connection(Io::new(stream), service_fn(delayed)).await;
        }));
    }
}

async fn fetch(address: SocketAddr, path: String) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = hyper::client::conn::http1::handshake(Io::new(stream)).await.unwrap();
    drop(spawn(connection));
    let request = Request::get(path).header("host", "localhost").body(Empty::<Bytes>::new()).unwrap();
    let response = client.send_request(request).await.unwrap();
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn many_delays(count: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(spawn(serve(listener)));
    let answers = gather((0..count).map(|n| spawn(fetch(address, format!("/{}", n % 50))))).await;
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), format!("after {}", n % 50));
    }
}

#[test]
fn hundred_requests_on_one_thread() {
    run(many_delays(100));
}

#[test]
fn hundred_requests_on_two_workers() {
    Runtime::multi_thread(2).unwrap().block_on(many_delays(100));
}

#[test]
fn a_plain_blocking_client_is_served() {
    let runtime = Runtime::multi_thread(1).unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    drop(runtime.spawn(serve(listener)));
    let mut client = std::net::TcpStream::connect(address).unwrap();
    client.write_all(b"GET /3 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("after 3"), "{answer}");
}

#[test]
fn a_client_that_goes_away_harms_nobody() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(spawn(serve(listener)));
        for _ in 0..20 {
            drop(TcpStream::connect(address).await.unwrap());
        }
        assert_eq!(fetch(address, "/1".into()).await, "after 1");
    });
}
