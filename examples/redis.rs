//! Redis by the crate `redis`, unchanged, over tokio's I/O traits: a real server answers.
//!
//! `cargo run -p brigade-examples --features redis --bin redis -- HOST:PORT`, or with the server's address in
//! `REDIS_ADDRESS`. `.ci/servers COMMAND…` starts a server of its own for a command. Without a server this
//! says that it was skipped.

use brigade_runtime::{JoinHandle, gather, net::TcpStream, run, spawn, timeout, tokio_io::Compat};
use redis::{AsyncCommands, AsyncConnectionConfig, RedisConnectionInfo, aio::MultiplexedConnection, pipe};
use std::{error::Error, process::ExitCode, time::Duration};

/// How long the conversation may take.
const TALK_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens a connection. It is driven by a task of its own, which ends when the last clone of the connection is
/// dropped.
async fn connect(address: &str) -> Result<(MultiplexedConnection, JoinHandle<()>), Box<dyn Error>> {
    let stream = TcpStream::connect(address).await?;
    // Commands are small, and each is sent at once.
    stream.set_nodelay(true)?;
    // The crate's own timeouts need a runtime that it knows. Ours is around the whole.
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let login = RedisConnectionInfo::default();
    // `Compat` gives our stream the traits of tokio, which the crate asks for.
    let (connection, driver) =
        MultiplexedConnection::new_with_config(&login, Compat::new(stream), config).await?;
    Ok((connection, spawn(driver)))
}

async fn talk(address: &str) -> Result<(), Box<dyn Error>> {
    let (connection, driving) = connect(address).await?;

    let orders = format!("brigade:orders:{}", std::process::id());
    let served = format!("brigade:served:{}", std::process::id());
    let mut redis = connection.clone();
    let () = redis.del(&[&orders, &served]).await?;

    // A hundred tasks share the connection, and their commands are under way together.
    let cooks = (0..100).map(|n: u32| {
        let (mut redis, served) = (connection.clone(), served.clone());
        spawn(async move { redis.incr::<_, _, u32>(served, n).await })
    });
    for cook in gather(cooks).await {
        cook??;
    }
    let total: u32 = redis.get(&served).await?;
    println!("a hundred tasks added {total}");
    assert_eq!(total, (0..100).sum());

    // A consumer blocks in the server, on a connection of its own, until an order comes.
    let (mut consumer, driving_consumer) = connect(address).await?;
    let waiting = spawn({
        let orders = orders.clone();
        async move { consumer.blpop::<_, (String, String)>(orders, 0.0).await }
    });
    let () = redis.rpush(&orders, "soup").await?;
    let (_, order) = waiting.await??;
    println!("an order came: {order}");
    assert_eq!(order, "soup");

    let () = redis.set(&orders, 7).await?;
    let refused = redis.rpush::<_, _, i64>(&orders, "salad").await.expect_err("it is no list now");
    println!("refused: {refused}");

    // Tidies up, in one transaction.
    let (): () = pipe().atomic().del(&orders).ignore().del(&served).ignore().query_async(&mut redis).await?;
    // With the last clones the drivers end, and their connections are closed.
    drop((redis, connection));
    driving.await?;
    driving_consumer.await?;
    Ok(())
}

fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1).or_else(|| std::env::var("REDIS_ADDRESS").ok()) else {
        println!("redis: skipped, because there is no server: give HOST:PORT, or run it by .ci/servers");
        return ExitCode::SUCCESS;
    };
    let talked = run(async { timeout(TALK_TIMEOUT, talk(&address)).await });
    match talked.unwrap_or_else(|_| Err(format!("no end after {TALK_TIMEOUT:?}").into())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redis at {address}: {error}");
            ExitCode::FAILURE
        }
    }
}
