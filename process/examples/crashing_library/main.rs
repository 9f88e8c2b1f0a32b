//! Calls a library that crashes, in a pool of processes: a call that ends its process is lost, and the
//! others go on.
//!
//! `cargo run -p brigade-process --example crashing_library`

// Unsafe: it is what the example is about, a library that breaks the process it runs in.
#[allow(unsafe_code)]
mod sys;

use brigade_process::{JoinError, Lost, ProcessPool};
use std::{collections::BTreeMap, error::Error, time::Duration};

/// How long a call may run before its worker is killed.
const CALL_TIMEOUT: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn Error>> {
    // A worker is this program, started again. Here it begins to answer calls, and does not return.
    brigade_process::init();

    let dishes = ["soup", "abort", "salad", "segfault", "bread", "endless", "cake", "tea"];
    let procs = ProcessPool::new(2)?;
    // All calls are under way before the first result is asked for.
    let calls: Vec<_> = dishes
        .iter()
        .map(|dish| {
            let call = procs.call(|dish: String| sys::checksum(&dish), dish.to_string());
            (dish, call.timeout(CALL_TIMEOUT).spawn())
        })
        .collect();

    let mut ends: BTreeMap<&str, u32> = BTreeMap::new();
    for (dish, call) in calls {
        let (end, text) = match call.join() {
            Ok(sum) => {
                assert_eq!(sum, sys::checksum(dish));
                ("answered", format!("{sum:#010x}"))
            }
            Err(JoinError::Lost(lost @ Lost::Killed { .. }, _)) => ("crashed", lost.to_string()),
            Err(JoinError::Lost(lost @ Lost::TimedOut { .. }, _)) => ("hung", lost.to_string()),
            Err(other) => return Err(other.into()),
        };
        println!("{dish:9} {end:9} {text}");
        *ends.entry(end).or_default() += 1;
    }
    assert_eq!(ends, BTreeMap::from([("answered", 5), ("crashed", 2), ("hung", 1)]));

    // The workers that were lost have been replaced.
    assert_eq!(
        procs.spawn(|dish: String| sys::checksum(&dish), "pie".to_owned()).join()?,
        sys::checksum("pie")
    );
    procs.shutdown();
    Ok(())
}
