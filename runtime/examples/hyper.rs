//! hyper, server and client, unchanged: one connection, several requests, each answered by a task.
//!
//! `cargo run -p brigade-runtime --example hyper --features hyper`

use brigade_runtime::{
    hyper::{Io, Timer},
    net::{TcpListener, TcpStream},
    run, spawn,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, client, server, service::service_fn};
use std::{error::Error, time::Duration};

/// Sends back what is posted, in capitals.
async fn shout(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.method() != Method::POST {
        let mut response = Response::new(Full::new(Bytes::from("POST me something\n")));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return Ok(response);
    }
    let body = request.into_body().collect().await?.to_bytes();
    Ok(Response::new(Full::new(body.to_ascii_uppercase().into())))
}

/// Serves each connection in a task of its own.
async fn serve(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        drop(spawn(async move {
            let mut server = server::conn::http1::Builder::new();
            server.timer(Timer).header_read_timeout(Duration::from_secs(5));
            if let Err(error) = server.serve_connection(Io::new(stream), service_fn(shout)).await {
                eprintln!("a connection ended with {error}");
            }
        }));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = spawn(serve(listener));

        let stream = TcpStream::connect(address).await?;
        let (mut client, connection) = client::conn::http1::handshake(Io::new(stream)).await?;
        // The connection is driven by a task of its own, until the client is dropped.
        drop(spawn(connection));
        for word in ["soup", "salad", "cake"] {
            let request =
                Request::post("/").header("host", "localhost").body(Full::new(Bytes::from(word)))?;
            client.ready().await?;
            let response = client.send_request(request).await?;
            assert_eq!(response.status(), StatusCode::OK);
            let body = response.into_body().collect().await?.to_bytes();
            println!("{word} -> {}", String::from_utf8_lossy(&body));
            assert_eq!(body, word.to_uppercase());
        }
        let request = Request::get("/").header("host", "localhost").body(Full::default())?;
        client.ready().await?;
        assert_eq!(client.send_request(request).await?.status(), StatusCode::METHOD_NOT_ALLOWED);
        server.cancel();
        Ok(())
    })
}

#[test]
fn it_runs() -> Result<(), Box<dyn Error>> {
    main()
}
