//! A PostgreSQL query by tokio-postgres, unchanged, over tokio's I/O traits: the connection is a task of
//! ours.
//!
//! `cargo run -p brigade-runtime --example postgres --features tokio-io -- "host=127.0.0.1 user=postgres"`
//! asks a real server. Without an argument, and in the test, the server is the one below, which speaks as
//! much of the protocol as this conversation needs: it knows the answers beforehand.

use brigade_runtime::{
    net::{TcpListener, TcpStream},
    run, spawn,
    tokio_io::Compat,
};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use std::{error::Error, io};
use tokio_postgres::{Config, NoTls, SimpleQueryMessage, config::Host};

/// Asks and checks the answer.
async fn ask(config: &Config, stream: TcpStream) -> Result<(), Box<dyn Error>> {
    let (client, connection) = config.connect_raw(Compat::new(stream), NoTls).await?;
    let connection = spawn(connection);
    let answer = client.simple_query("SELECT 6 * 7 AS answer").await?;
    let rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let answers: Vec<_> = rows.map(|row| row.get("answer")).collect();
    println!("6 * 7 is {answers:?}");
    assert_eq!(answers, [Some("42")]);
    let error = client.simple_query("SELECT nothing").await.expect_err("there is no such column");
    println!(
        "SELECT nothing is refused: {}",
        error.as_db_error().ok_or("not refused by the server")?.message()
    );
    // The connection says goodbye when its client is gone.
    drop(client);
    connection.await??;
    Ok(())
}

/// A server that knows what it will be asked.
mod scripted {
    use super::{AsyncReadExt, AsyncWriteExt, TcpListener, io};

    /// A message: its kind, the length of the rest, the rest.
    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len() + 4).expect("a short message");
        [&[kind][..], &len.to_be_bytes(), body].concat()
    }

    /// Ready for a query, outside of a transaction.
    fn ready() -> Vec<u8> {
        message(b'Z', b"I")
    }

    /// One row of one column of text.
    fn answer() -> Vec<u8> {
        // The name; no table; the type `int4` of four bytes; no modifier; as text.
        let column = b"\0\x01answer\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
        let row = b"\0\x01\0\0\0\x0242";
        [message(b'T', column), message(b'D', row), message(b'C', b"SELECT 1\0"), ready()].concat()
    }

    fn refusal() -> Vec<u8> {
        let fields = b"SERROR\0VERROR\0C42703\0Mcolumn \"nothing\" does not exist\0\0";
        [message(b'E', fields), ready()].concat()
    }

    /// Serves one connection until it says goodbye.
    pub(super) async fn serve(listener: TcpListener) -> io::Result<()> {
        let (mut stream, _) = listener.accept().await?;
        let mut len = [0; 4];
        // Hello: a length, the version of the protocol, and who it is. Anybody is welcome.
        stream.read_exact(&mut len).await?;
        let mut hello = vec![0; u32::from_be_bytes(len) as usize - 4];
        stream.read_exact(&mut hello).await?;
        assert_eq!(hello[..4], [0, 3, 0, 0], "version 3.0");
        stream.write_all(&[message(b'R', &[0; 4]), ready()].concat()).await?;
        loop {
            let mut kind = [0];
            stream.read_exact(&mut kind).await?;
            stream.read_exact(&mut len).await?;
            let mut body = vec![0; u32::from_be_bytes(len) as usize - 4];
            stream.read_exact(&mut body).await?;
            match (kind[0], &body[..]) {
                (b'Q', b"SELECT 6 * 7 AS answer\0") => stream.write_all(&answer()).await?,
                (b'Q', _) => stream.write_all(&refusal()).await?,
                (b'X', _) => return Ok(()),
                (kind, _) => return Err(io::Error::other(format!("not in the script: {kind}"))),
            }
        }
    }
}

/// The conversation with the server below.
async fn ask_scripted() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let stream = TcpStream::connect(listener.local_addr()?).await?;
    let server = spawn(scripted::serve(listener));
    ask(Config::new().user("cook"), stream).await?;
    server.await??;
    Ok(())
}

/// The same with a real one.
async fn ask_real(config: &str) -> Result<(), Box<dyn Error>> {
    let config: Config = config.parse()?;
    let Some(Host::Tcp(host)) = config.get_hosts().first() else { return Err("name a host".into()) };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    ask(&config, stream).await
}

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        Some(config) => run(ask_real(&config)),
        None => run(ask_scripted()),
    }
}

#[test]
fn it_runs_against_a_scripted_server() -> Result<(), Box<dyn Error>> {
    run(ask_scripted())
}
