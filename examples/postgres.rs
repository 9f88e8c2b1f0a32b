//! PostgreSQL by tokio-postgres, unchanged, over tokio's I/O traits: a real server answers, and the
//! connection is a task of ours.
//!
//! `cargo run -p brigade-examples --features postgres --bin postgres -- "host=127.0.0.1 user=postgres"`, or
//! with these settings in `POSTGRES`. `.ci/servers COMMAND…` starts a server of its own for a command.
//! Without a server this says that it was skipped.

use brigade_runtime::{
    Either, JoinHandle, gather, net::TcpStream, run, select, sleep, spawn, timeout, tokio_io::Compat,
};
use std::{error::Error, process::ExitCode, time::Duration};
use tokio_postgres::{Client, Config, NoTls, config::Host, error::SqlState};

/// How long the conversation may take.
const TALK_TIMEOUT: Duration = Duration::from_secs(30);

type Driver = JoinHandle<Result<(), tokio_postgres::Error>>;

/// Opens a stream to the first host of the settings.
async fn open(config: &Config) -> Result<Compat<TcpStream>, Box<dyn Error>> {
    let Some(Host::Tcp(host)) = config.get_hosts().first() else {
        return Err("the settings name no host, such as host=127.0.0.1".into());
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    Ok(Compat::new(TcpStream::connect((host.as_str(), port)).await?))
}

async fn connect(config: &Config) -> Result<(Client, Driver), Box<dyn Error>> {
    let (client, connection) = config.connect_raw(open(config).await?, NoTls).await?;
    // The connection is driven by a task of its own, until the client is dropped.
    Ok((client, spawn(connection)))
}

async fn talk(config: &Config) -> Result<(), Box<dyn Error>> {
    let (mut client, driver) = connect(config).await?;
    let version: String = client.query_one("SHOW server_version", &[]).await?.get(0);
    println!("PostgreSQL {version}");

    // Queries that are polled together are under way together.
    let square = client.prepare("SELECT $1::int4 * $1").await?;
    let squares = gather((0..10_i32).map(async |n| client.query_one(&square, &[&n]).await)).await;
    let squares: Vec<i32> =
        squares.into_iter().map(|row| Ok(row?.get(0))).collect::<Result<_, Box<dyn Error>>>()?;
    println!("squares: {squares:?}");
    assert_eq!(squares, (0..10).map(|n| n * n).collect::<Vec<_>>());

    client.batch_execute("CREATE TEMPORARY TABLE orders (dish text PRIMARY KEY, count int NOT NULL)").await?;
    let transaction = client.transaction().await?;
    transaction.execute("INSERT INTO orders VALUES ('soup', 2), ('salad', 1)", &[]).await?;
    let twice = transaction.execute("INSERT INTO orders VALUES ('soup', 1)", &[]).await;
    let twice = twice.expect_err("a dish is there once");
    assert_eq!(twice.code(), Some(&SqlState::UNIQUE_VIOLATION));
    println!("refused: {}", twice.as_db_error().ok_or("not by the server")?.message());
    transaction.rollback().await?;
    let left: i64 = client.query_one("SELECT count(*) FROM orders", &[]).await?.get(0);
    assert_eq!(left, 0, "the transaction was rolled back");

    // A query that takes too long is cancelled in the server, over a connection of its own. A request that
    // comes before the query has begun does nothing, so it is repeated.
    let token = client.cancel_token();
    let cancelling = async {
        loop {
            token.cancel_query_raw(open(config).await?, NoTls).await?;
            sleep(Duration::from_millis(20)).await;
        }
    };
    match select(client.query("SELECT pg_sleep(60)", &[]), cancelling).await {
        Either::Left(end) => {
            let end = end.expect_err("it was cancelled");
            assert_eq!(end.code(), Some(&SqlState::QUERY_CANCELED));
        }
        Either::Right(failed) => return failed,
    }
    println!("a query of a minute was cancelled");

    drop(client);
    driver.await??;
    Ok(())
}

fn main() -> ExitCode {
    let Some(settings) = std::env::args().nth(1).or_else(|| std::env::var("POSTGRES").ok()) else {
        println!(
            "postgres: skipped, because there is no server: give its settings, or run it by .ci/servers"
        );
        return ExitCode::SUCCESS;
    };
    let talked = run(async {
        let config: Config = settings.parse()?;
        timeout(TALK_TIMEOUT, talk(&config))
            .await
            .unwrap_or_else(|_| Err(format!("no end after {TALK_TIMEOUT:?}").into()))
    });
    match talked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The error beneath is the server's.
            let why = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            eprintln!("PostgreSQL with \"{settings}\": {error}{why}");
            ExitCode::FAILURE
        }
    }
}
