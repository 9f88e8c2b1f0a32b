//! Calls that go well, and user code that fails at each step of a call.

use crate::path::pool;
use brigade_process::{JoinError, Lost, ProcessPool, RemotePanic, usage};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use std::{
    any::Any,
    panic::{catch_unwind, panic_any, resume_unwind},
    thread,
};

pub(crate) fn results_come_in_the_order_of_the_inputs() {
    let procs = pool(2);
    let results: Vec<u64> = procs.map(|n: u64| n * n, 0..10_000).into_iter().map(Result::unwrap).collect();
    assert!(results.iter().enumerate().all(|(n, &square)| square == (n * n) as u64));
    procs.shutdown();
}

fn refuse(n: u32) -> u32 {
    panic!("no flour for {n}")
}

pub(crate) fn a_panic_crosses_with_its_message_and_place() {
    let procs = pool(1);
    let worker = procs.worker_ids();
    let JoinError::Panicked(payload, _) = procs.spawn(refuse, 3).join().unwrap_err() else { panic!() };
    let panic = payload.downcast::<RemotePanic>().unwrap();
    assert_eq!(panic.message, "no flour for 3");
    assert!(panic.location.unwrap().contains("calls.rs:"));
    assert_eq!(procs.spawn(|n: u32| n + 1, 1).join().unwrap(), 2);
    assert_eq!(procs.worker_ids(), worker, "the worker lives on");
}

/// Ends with a panic that no hook sees, after another panic was caught.
fn resume_after_another((caught, resumed): (u8, u8)) -> u8 {
    let first = match caught {
        0 => catch_unwind(|| panic!("caught")),
        1 => catch_unwind(|| panic!("caught at {caught}")),
        _ => catch_unwind(|| panic_any(7_u64)),
    };
    assert!(first.is_err());
    resume_unwind(match resumed {
        0 => Box::new("burnt"),
        1 => Box::new("burnt".to_owned()),
        2 => Box::new(Box::<dyn Any + Send>::from(Box::new("burnt"))),
        _ => Box::new(RemotePanic { message: "burnt".into(), location: None }),
    })
}

pub(crate) fn a_panic_is_not_told_the_place_of_another() {
    let procs = pool(1);
    for way in (0..3).flat_map(|caught| (0..4).map(move |resumed| (caught, resumed))) {
        let error = procs.spawn(resume_after_another, way).join().unwrap_err();
        assert_eq!((error.panic_message(), error.panic_location()), (Some("burnt"), None), "{way:?}");
    }
}

/// Passes on a panic that has happened on another thread, while others happen.
fn pass_on(way: u8) -> u8 {
    let first = match way {
        0 => thread::spawn(|| panic!("burnt")).join(),
        1 => thread::spawn(move || panic!("burnt {way}")).join(),
        _ => catch_unwind(|| panic!("burnt")),
    };
    let payload = first.unwrap_err();
    assert!(catch_unwind(|| panic!("caught")).is_err());
    resume_unwind(payload)
}

pub(crate) fn a_panic_that_is_passed_on_keeps_its_place() {
    let procs = pool(1);
    for way in 0..3 {
        let error = procs.spawn(pass_on, way).join().unwrap_err();
        assert!(error.panic_message().unwrap().starts_with("burnt"), "{error}");
        assert!(error.panic_location().is_some_and(|place| place.contains("calls.rs:")), "{way}: {error}");
    }
}

fn fail_in_a_pool(depth: u32) -> u8 {
    if depth == 0 {
        refuse(3);
    }
    let inner = ProcessPool::new(1).unwrap();
    inner.spawn(fail_in_a_pool, depth - 1).join().unwrap_or_else(|error| error.resume())
}

pub(crate) fn the_panic_of_a_pool_in_a_pool_keeps_its_words_and_its_place() {
    let procs = pool(1);
    let direct = procs.spawn(fail_in_a_pool, 0).join().unwrap_err();
    let passed = procs.spawn(fail_in_a_pool, 2).join().unwrap_err();
    assert_eq!(direct.to_string(), passed.to_string());
    assert_eq!(passed.panic_message(), Some("no flour for 3"));
    let mapped = procs.map(fail_in_a_pool, [1]).remove(0).unwrap_err();
    assert_eq!(mapped.to_string(), passed.to_string());
    // A call may panic with a handle's error.
    let panic_with_it = |error: u8| -> u8 {
        let inner = ProcessPool::new(1).unwrap();
        panic_any(inner.spawn(fail_in_a_pool, u32::from(error)).join().unwrap_err())
    };
    assert_eq!(procs.spawn(panic_with_it, 0).join().unwrap_err().to_string(), passed.to_string());
}

pub(crate) fn a_very_long_panic_message_is_cut() {
    let procs = pool(1);
    let error = procs.spawn(|length: usize| -> u8 { panic!("{}", "é".repeat(length)) }, 1 << 20).join();
    let error = error.unwrap_err();
    let message = error.panic_message().unwrap();
    assert!(
        message.len() < (1 << 20) + 100 && message.ends_with("(2097152 bytes in all)"),
        "{}",
        message.len()
    );
}

pub(crate) fn an_odd_panic_payload_is_said_to_be_odd() {
    let procs = pool(1);
    let error = procs.spawn(|n: u32| -> u32 { std::panic::panic_any(n) }, 3).join().unwrap_err();
    assert_eq!(error.panic_message(), Some("(a payload that is not a text)"));
}

pub(crate) fn big_arguments_and_results_cross() {
    let procs = pool(2);
    let words: Vec<u32> = (0..2_000_000).collect();
    let handles: Vec<_> = (0..4).map(|_| procs.spawn(|words: Vec<u32>| words, words.clone())).collect();
    for handle in handles {
        assert!(handle.join().unwrap() == words);
    }
}

/// A pool of the call's own takes large values in its map and its initializer, and the call returns one.
fn large_values_in_a_pool(length: usize) -> String {
    let set_up = |text: String| assert!(text.len() > 100_000);
    let text = "x".repeat(length);
    let inner = ProcessPool::builder().workers(1).initializer(set_up, text.clone()).build().unwrap();
    let lengths = inner.map(|bytes: Vec<u8>| bytes.len(), vec![vec![0_u8; length]; 40]);
    assert!(lengths.into_iter().all(|found| found.unwrap() == length));
    assert_eq!(inner.spawn(|text: String| text, text.clone()).join().unwrap(), text);
    text
}

pub(crate) fn large_values_cross_a_pool_in_a_pool() {
    let procs = pool(1);
    assert_eq!(procs.spawn(large_values_in_a_pool, 200_000).join().unwrap().len(), 200_000);
}

pub(crate) fn many_large_values_wait_with_few_descriptors() {
    let procs = pool(2);
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    let handles: Vec<_> = (0..500).map(|n: u32| procs.spawn(|v: Vec<u32>| v, vec![n; 50_000])).collect();
    assert!(descriptors() < before + 200, "{} descriptors", descriptors());
    for (n, handle) in (0..).zip(handles) {
        assert!(handle.join().unwrap() == vec![n; 50_000]);
    }
}

pub(crate) fn a_large_value_leaves_no_memory_behind() {
    // More than an allocator keeps for the next request.
    const LENGTH: usize = 40 << 20;
    let procs = pool(1);
    let small = || assert!((0..50).all(|n: u64| procs.spawn(|n: u64| n, n).join().unwrap() == n));
    small();
    let processes = [std::process::id(), procs.worker_ids()[0]];
    let resident = || processes.map(|process| usage::resident(process).unwrap());
    let before = resident();
    let check = |what: &str| {
        small();
        for (before, now) in before.into_iter().zip(resident()) {
            assert!(now < before + (LENGTH as u64) / 2, "after {what}, {} bytes more are kept", now - before);
        }
    };
    assert_eq!(procs.spawn(|text: String| text.len(), "x".repeat(LENGTH)).join().unwrap(), LENGTH);
    check("an argument");
    assert_eq!(procs.spawn(|length: usize| "y".repeat(length), LENGTH).join().unwrap().len(), LENGTH);
    check("a result");
    let inputs = [1, LENGTH, 1, 1].map(|length| "z".repeat(length));
    let results = procs.map_chunked(|text: String| text, inputs, 2);
    assert_eq!(results.into_iter().map(|result| result.unwrap().len()).max(), Some(LENGTH));
    check("a map");
    let again = procs.call(|text: String| text, "x".repeat(LENGTH)).retry(1).spawn();
    assert_eq!(again.join().unwrap().len(), LENGTH);
    check("a call that may be tried again");
}

pub(crate) fn threads_may_spawn_at_once() {
    let procs = pool(2);
    std::thread::scope(|scope| {
        for from in 0..8_u64 {
            let procs = &procs;
            scope.spawn(move || {
                let results = procs.map(|n: u64| n + 1, from * 1_000..(from + 1) * 1_000);
                assert!((from * 1_000 + 1..).zip(results).all(|(n, result)| result.unwrap() == n));
            });
        }
    });
}

fn sum_in_a_pool(n: u64) -> u64 {
    let procs = ProcessPool::new(1).unwrap();
    procs.map(|n: u64| n + 1, 0..n).into_iter().map(Result::unwrap).sum()
}

pub(crate) fn a_call_may_have_a_pool_of_its_own() {
    let procs = pool(2);
    assert_eq!(procs.spawn(sum_in_a_pool, 10).join().unwrap(), 55);
}

/// A value whose trip ends at a chosen step.
#[derive(Debug)]
struct Bad(Step);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Step {
    EncodeError,
    EncodePanic,
    DecodeError,
    DecodePanic,
}

impl Serialize for Bad {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Step::EncodeError => Err(S::Error::custom("it will not be written")),
            Step::EncodePanic => panic!("panicked while writing"),
            step => step.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Bad {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Step::deserialize(deserializer)? {
            Step::DecodePanic => panic!("panicked while reading"),
            _ => Err(D::Error::custom("it will not be read")),
        }
    }
}

fn with_argument(step: Step) -> JoinError {
    let procs = pool(1);
    let worker = procs.worker_ids();
    let error = procs.spawn(|_: Bad| (), Bad(step)).join().unwrap_err();
    assert_eq!(procs.spawn(|n: u32| n, 5).join().unwrap(), 5);
    assert_eq!(procs.worker_ids(), worker, "the worker lives on");
    error
}

fn with_result(step: Step) -> JoinError {
    let procs = pool(1);
    let worker = procs.worker_ids();
    let error = procs.spawn(Bad, step).join().unwrap_err();
    assert_eq!(procs.spawn(|n: u32| n, 5).join().unwrap(), 5);
    assert_eq!(procs.worker_ids(), worker, "the worker lives on");
    error
}

fn assert_codec(error: &JoinError, what: &str) {
    assert!(matches!(error, JoinError::Lost(Lost::Codec(why), _) if why.contains(what)), "{error}");
}

pub(crate) fn a_panic_while_encoding_the_argument_is_the_handles() {
    assert_eq!(with_argument(Step::EncodePanic).panic_message(), Some("panicked while writing"));
}

pub(crate) fn an_argument_that_cannot_be_encoded_is_lost() {
    assert_codec(&with_argument(Step::EncodeError), "argument cannot be encoded");
}

pub(crate) fn an_argument_that_cannot_be_decoded_is_lost() {
    assert_codec(&with_argument(Step::DecodeError), "argument cannot be decoded");
}

pub(crate) fn a_panic_while_decoding_the_argument_is_the_calls() {
    let error = with_argument(Step::DecodePanic);
    assert_eq!(error.panic_message(), Some("panicked while reading"));
    assert!(error.panic_location().is_some());
}

pub(crate) fn a_result_that_cannot_be_encoded_is_lost() {
    assert_codec(&with_result(Step::EncodeError), "result cannot be encoded");
}

pub(crate) fn a_panic_while_encoding_the_result_is_the_calls() {
    let error = with_result(Step::EncodePanic);
    assert_eq!(error.panic_message(), Some("panicked while writing"));
}

pub(crate) fn a_result_that_cannot_be_decoded_is_lost() {
    assert_codec(&with_result(Step::DecodeError), "result cannot be decoded");
}

pub(crate) fn a_panic_while_decoding_the_result_is_the_handles() {
    let error = with_result(Step::DecodePanic);
    assert_eq!(error.panic_message(), Some("panicked while reading"));
}
