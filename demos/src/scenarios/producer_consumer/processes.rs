//! Between processes: one child produces, another one consumes, and a channel connects the two.
//!
//! This process only starts them and waits for both: no item goes through it. The consumer is the slower one
//! here, so the channel fills up and the producer has to wait.

use super::{
    Outcome, SCENARIO,
    channel::{Address, Listener, ROOM_ITEMS, Receiver},
};
use crate::{
    interrupt::Interruptible,
    pools,
    recorded::sleep,
    scenario::{CommandError, failed},
    show::{ChildOutput, Output},
};
use brigade_handle::JoinError;
use serde::{Deserialize, Serialize};
use std::{
    io, process,
    sync::{Mutex, PoisonError},
};

/// The time that the consumer needs for an item, in seconds.
const CONSUMING_SECONDS: f64 = 0.5;

/// Lets one child produce this many items, and another one consume them.
pub(super) fn produce_and_consume(output: &Output, items: u32) -> Result<Outcome, CommandError> {
    output
        .line(format_args!("between processes: room for {ROOM_ITEMS} in the channel, and a slower consumer"));
    let start = || pools::processes(1).map_err(failed("cannot start a process"));
    let (producer, consumer) = (start()?, start()?);
    let address =
        consumer.with(|child| child.spawn(open_channel, ())).join().map_err(failed("the consumer"))?;
    let address = address.map_err(io::Error::other).map_err(failed("the channel"))?;
    let main = format!("pid {}", process::id());
    let (maker, user) = (pid_of(&producer), pid_of(&consumer));
    output.event(&main, format_args!("starts the producer, pid {maker}, and the consumer, pid {user}"));
    let consuming = consumer.with(|child| child.spawn(consume, output.for_child()));
    let producing = producer.with(|child| child.spawn(produce, (output.for_child(), address, items)));
    let produced = producing.join();
    // The producer may have ended before it had connected. Then the consumer accepts this connection, which
    // ends at once. Otherwise it is refused.
    drop(address.connect());
    let consumed = consuming.join();
    report_loss(output, &main, &format!("the producer, pid {maker}"), &produced);
    report_loss(output, &main, &format!("the consumer, pid {user}"), &consumed);
    producer.shutdown();
    consumer.shutdown();
    Ok(match (produced, consumed) {
        (_, Err(_)) => Outcome::ConsumerLost,
        (Ok(()), Ok(Consumed { items, at_sentinel: true })) => Outcome::Complete(items),
        (_, Ok(Consumed { items, .. })) => Outcome::ProducerLost(items),
    })
}

fn pid_of(child: &Interruptible) -> u32 {
    child.with(|child| child.worker_ids().first().copied().unwrap_or_default())
}

fn report_loss<T>(output: &Output, main: &str, who: &str, result: &Result<T, JoinError>) {
    if let Err(error) = result {
        output.event(main, format_args!("{who}: {error}"));
    }
}

/// The consumer's channel, between the two calls that it answers.
static CHANNEL: Mutex<Option<Listener>> = Mutex::new(None);

/// Runs in the consumer's process: opens the channel for the producer.
fn open_channel((): ()) -> Result<Address, String> {
    let listener = Listener::open().map_err(|error| error.to_string())?;
    let address = listener.address;
    *CHANNEL.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    Ok(address)
}

/// Runs in the producer's process.
fn produce((output, address, items): (ChildOutput, Address, u32)) {
    let (output, me) = (output.open(SCENARIO.name), format!("pid {}", process::id()));
    let waits = |item: &str| output.event(&me, format_args!("waits with {item}: the channel is full"));
    let produced = address.connect().and_then(|mut channel| {
        for item in 0..items {
            output.event(&me, format_args!("Produced {item}"));
            channel.put(Some(item), || waits(&item.to_string()))?;
        }
        channel.put(None, || waits("None"))?;
        channel.end();
        Ok(())
    });
    if produced.is_err() {
        output.event(&me, "stops: the consumer is gone");
    }
}

/// The consumer's account.
#[derive(Debug, Serialize, Deserialize)]
struct Consumed {
    items: u32,
    /// Whether it stopped at the sentinel, and not because the producer was gone.
    at_sentinel: bool,
}

/// Runs in the consumer's process.
fn consume(output: ChildOutput) -> Consumed {
    let (output, me) = (output.open(SCENARIO.name), format!("pid {}", process::id()));
    let mut consumed = Consumed { items: 0, at_sentinel: false };
    let ended = accept().and_then(|mut channel| {
        while let Some(item) = channel.get(|| output.event(&me, "waits: the channel is empty"))? {
            output.event(&me, format_args!("takes {item}"));
            sleep(output.delay(CONSUMING_SECONDS));
            output.event(&me, format_args!("Consumed {item}"));
            consumed.items += 1;
        }
        Ok(())
    });
    consumed.at_sentinel = ended.is_ok();
    let end = if consumed.at_sentinel {
        "None: no more"
    } else {
        "stops: the producer is gone, and there was no None"
    };
    output.event(&me, end);
    consumed
}

fn accept() -> io::Result<Receiver> {
    let listener = CHANNEL.lock().unwrap_or_else(PoisonError::into_inner).take();
    // A worker that has replaced the first one has no channel.
    listener.ok_or(io::ErrorKind::NotConnected)?.accept()
}
