//! A scenario says so when one of its processes is killed.

use crate::{
    common::program::{brigade, texts},
    program::{children_of, signal},
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

/// Runs `producer-consumer` between processes, with more items than it could ever produce in the time of a
/// test. Kills one of the two once items go through. Returns the exit code and the objects it printed.
fn kill(role: &str) -> (Option<i32>, Vec<Value>) {
    let arguments = ["producer-consumer", "processes", "--items", "1000000", "--speed", "50", "--json"];
    let mut program = brigade(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let (mut objects, mut pid) = (Vec::new(), None);
    for line in BufReader::new(program.stdout.take().unwrap()).lines() {
        let object: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let event = object["event"].as_str().unwrap_or_default().to_owned();
        if let Some((_, rest)) = event.split_once(&format!("{role}, pid ")) {
            let digits = rest.split(|character: char| !character.is_ascii_digit()).next().unwrap();
            pid = pid.or(Some(digits.parse::<u32>().unwrap()));
        }
        objects.push(object);
        if event == "Consumed 1" {
            assert_eq!(children_of(program.id()).iter().filter(|&&child| Some(child) == pid).count(), 1);
            signal(pid.unwrap(), "KILL");
        }
    }
    (program.wait().unwrap().code(), objects)
}

#[test]
fn a_killed_producer_is_told_by_the_consumer_and_by_the_parent() {
    let (code, objects) = kill("the producer");
    let events = texts(&objects, "event");
    assert_eq!(code, Some(1), "{events:?}");
    assert!(events.iter().any(|event| event.starts_with("stops: the producer is gone")), "{events:?}");
    let last = events.last().unwrap();
    assert!(last.starts_with("the producer, pid ") && last.contains("killed by signal 9"), "{last}");
    // Everything that had been taken into the channel was consumed, in order.
    let consumed: Vec<_> = events.iter().filter(|event| event.starts_with("Consumed")).collect();
    assert!(consumed.iter().enumerate().all(|(n, event)| **event == format!("Consumed {n}")), "{consumed:?}");
    let lesson = texts(&objects, "seen").pop().unwrap();
    assert!(lesson.contains(&format!("lost after {} items", consumed.len())), "{lesson}");
}

#[test]
fn a_killed_consumer_is_told_by_the_producer_and_by_the_parent() {
    let (code, objects) = kill("the consumer");
    let events = texts(&objects, "event");
    assert_eq!(code, Some(1), "{events:?}");
    assert!(events.contains(&"stops: the consumer is gone".to_owned()), "{events:?}");
    let last = events.last().unwrap();
    assert!(last.starts_with("the consumer, pid ") && last.contains("killed by signal 9"), "{last}");
    assert!(texts(&objects, "seen").pop().unwrap().starts_with("The consumer was lost"));
}
