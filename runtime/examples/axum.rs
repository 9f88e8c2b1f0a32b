//! An axum `Router`, unchanged, served through hyper. axum is taken without its feature `tokio`, of which
//! it would need the runtime.
//!
//! `cargo run -p brigade-runtime --example axum --features hyper`

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use brigade_runtime::{
    Runtime,
    hyper::Io,
    net::{TcpListener, TcpStream},
    spawn,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Incoming, client, server, service::service_fn};
use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tower_service::Service;

/// How many times somebody was greeted.
type Greeted = Arc<AtomicUsize>;

async fn greet(State(greeted): State<Greeted>, Path(name): Path<String>) -> String {
    greeted.fetch_add(1, Ordering::Relaxed);
    format!("hello {name}")
}

async fn count(State(greeted): State<Greeted>) -> String {
    greeted.load(Ordering::Relaxed).to_string()
}

fn router() -> Router {
    Router::new()
        .route("/hello/{name}", get(greet))
        .route("/count", get(count))
        .with_state(Greeted::default())
}

/// Serves the router as `axum::serve` does on tokio: one task for each connection, with a clone of the
/// router for each request.
async fn serve(listener: TcpListener, router: Router) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let router = router.clone();
        drop(spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| router.clone().call(request));
            let server = server::conn::http1::Builder::new();
            if let Err(error) = server.serve_connection(Io::new(stream), service).await {
                eprintln!("a connection ended with {error}");
            }
        }));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Runtime::multi_thread(2)?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        drop(spawn(serve(listener, router())));

        let stream = TcpStream::connect(address).await?;
        let (mut client, connection) = client::conn::http1::handshake(Io::new(stream)).await?;
        drop(spawn(connection));
        let expected = [
            ("/hello/Ada", StatusCode::OK, "hello Ada"),
            ("/hello/Alan", StatusCode::OK, "hello Alan"),
            ("/count", StatusCode::OK, "2"),
            ("/goodbye", StatusCode::NOT_FOUND, ""),
        ];
        for (path, status, text) in expected {
            let request = Request::get(path).header("host", "localhost").body(Empty::<Bytes>::new())?;
            client.ready().await?;
            let response = client.send_request(request).await?;
            println!("GET {path} -> {}", response.status());
            assert_eq!(response.status(), status);
            assert_eq!(response.into_body().collect().await?.to_bytes(), text);
        }
        Ok(())
    })
}

#[test]
fn it_runs() -> Result<(), Box<dyn Error>> {
    main()
}
