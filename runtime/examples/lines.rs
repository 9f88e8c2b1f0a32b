//! Streams and sinks without a codec: lines of a connection, datagrams, and what becomes of them, joined by
//! `futures-util`.
//!
//! `cargo run -p brigade-runtime --example lines`

use brigade_runtime::{
    generator,
    net::{TcpListener, TcpStream, UdpSocket},
    run, spawn,
};
use futures_util::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, SinkExt, Stream, StreamExt, TryStreamExt, io::BufReader,
    sink,
};
use std::{error::Error, io};

/// Answers each line with the line turned around: a stream of lines, forwarded into a sink of lines.
async fn turn_around(stream: TcpStream) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    let lines = BufReader::new(reader).lines();
    let answers = sink::unfold(writer, async |mut writer, line: String| {
        writer.write_all(line.as_bytes()).await?;
        io::Result::Ok(writer)
    });
    lines.map_ok(|line| line.chars().rev().chain(['\n']).collect()).forward(answers).await
}

/// The datagrams that come to a socket, one after the other.
fn datagrams(socket: UdpSocket) -> impl Stream<Item = Vec<u8>> {
    generator(move |mut yielder| async move {
        let mut buffer = [0; 1500];
        while let Ok(len) = socket.recv(&mut buffer).await {
            yielder.yield_(buffer[..len].to_vec()).await;
        }
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = spawn(async move { turn_around(listener.accept().await?.0).await });
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"stressed\nspoons\n").await?;
        stream.close().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        print!("{answer}");
        assert_eq!(answer, "desserts\nsnoops\n");
        server.await??;

        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let address = socket.local_addr()?;
        let sender = UdpSocket::bind("127.0.0.1:0").await?;
        let mut orders = Box::pin(sink::unfold(sender, async |sender, order: &str| {
            sender.send_to(order.as_bytes(), address).await?;
            io::Result::Ok(sender)
        }));
        for order in ["soup", "salad", "cake"] {
            orders.send(order).await?;
        }
        let orders: Vec<_> = datagrams(socket).take(3).collect().await;
        println!(
            "ordered: {:?}",
            orders.iter().map(|order| String::from_utf8_lossy(order)).collect::<Vec<_>>()
        );
        assert_eq!(orders, [&b"soup"[..], b"salad", b"cake"]);
        Ok(())
    })
}

#[test]
fn it_runs() -> Result<(), Box<dyn Error>> {
    main()
}
