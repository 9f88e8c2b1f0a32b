//! A WebSocket echo, server and client, by async-tungstenite, unchanged: it takes any stream of `futures-io`.
//!
//! `cargo run -p brigade-examples --features websocket --bin websocket`

use async_tungstenite::{accept_async, client_async, tungstenite::Message};
use brigade_runtime::{
    net::{TcpListener, TcpStream},
    run, spawn,
};
use futures_util::{StreamExt, TryStreamExt};
use std::error::Error;

/// Sends back the messages of one connection until it is closed.
async fn echo(stream: TcpStream) -> Result<(), async_tungstenite::tungstenite::Error> {
    let (sink, messages) = accept_async(stream).await?.split();
    messages.try_filter(|message| std::future::ready(!message.is_close())).forward(sink).await
}

async fn serve(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        drop(spawn(echo(stream)));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = spawn(serve(listener));

        let stream = TcpStream::connect(address).await?;
        let (mut socket, response) = client_async(format!("ws://{address}/"), stream).await?;
        println!("the server answered {}", response.status());
        for text in ["soup", "salad", "a longer order: soup, salad and cake for four"] {
            socket.send(Message::text(text)).await?;
            let answer = socket.next().await.ok_or("the server is gone")??;
            println!("{text} -> {answer}");
            assert_eq!(answer, Message::text(text));
        }
        socket.send(Message::binary(vec![7; 100_000])).await?;
        assert_eq!(socket.next().await.ok_or("the server is gone")??.len(), 100_000);
        socket.close(None).await?;
        server.cancel();
        Ok(())
    })
}
