//! Calls that go well, and calls that fail in each way a call can fail.

use brigade_process::{JoinError, Lost, ProcessPool, RemotePanic};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    brigade_process::init();
    let trials = vec![
        trial("results_come_in_the_order_of_the_inputs", results_come_in_the_order_of_the_inputs),
        trial("a_panic_crosses_with_message_and_place", a_panic_crosses_with_message_and_place),
        trial("an_exit_fails_that_call_alone", an_exit_fails_that_call_alone),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok::<(), Failed>(())
    })
}

fn results_come_in_the_order_of_the_inputs() {
    let procs = ProcessPool::new(2).unwrap();
    let results: Vec<u64> = procs.map(|n: u64| n * n, 0..10_000).into_iter().map(Result::unwrap).collect();
    assert!(results.iter().enumerate().all(|(n, &square)| square == (n * n) as u64));
    procs.shutdown();
}

fn a_panic_crosses_with_message_and_place() {
    let procs = ProcessPool::new(1).unwrap();
    let error = procs.spawn(|n: u32| -> u32 { panic!("no flour for {n}") }, 3).join().unwrap_err();
    let JoinError::Panicked(payload) = error else { panic!("{error}") };
    let panic = payload.downcast::<RemotePanic>().unwrap();
    assert_eq!(panic.message, "no flour for 3");
    assert!(panic.location.unwrap().contains("calls.rs:"));
    assert_eq!(procs.spawn(|n: u32| n + 1, 1).join().unwrap(), 2);
}

fn an_exit_fails_that_call_alone() {
    let procs = ProcessPool::new(2).unwrap();
    let work = |n: u32| if n == 50 { std::process::exit(7) } else { n };
    for (n, result) in procs.map(work, 0..100).into_iter().enumerate() {
        match result {
            Ok(got) => assert_eq!(got as usize, n),
            Err(JoinError::Lost(Lost::Exited { code })) => assert_eq!((n, code), (50, 7)),
            Err(error) => panic!("call {n}: {error}"),
        }
    }
}
