//! Operations with a limit: of time, or of tries.

use super::{BUDGET, check, ended};
use brigade_runtime::{ExponentialBackoff, Until, retry, retry_if, run, wait_for_timeout, yield_now};
use std::{
    future::{Future, poll_fn, ready},
    task::Poll,
    time::Duration,
};

#[test]
fn waits_and_retries() {
    run(async {
        let an_hour = Duration::from_secs(3600);
        check("combine/as_completed.rs wait_for_timeout", async || {
            drop(wait_for_timeout(ended(2), Until::All, an_hour).await);
        })
        .await;
        let backoff = ExponentialBackoff::new(Duration::ZERO);
        check("time/retry.rs retry", async || {
            _ = retry(backoff.clone(), || ready(Ok::<_, ()>(1))).await;
        })
        .await;
        check("time/retry.rs retry_if", async || {
            _ = retry_if(backoff.clone(), |_| false, || ready(Err::<(), _>(1))).await;
        })
        .await;
    });
}

#[test]
fn a_retry_that_fails_again_and_again() {
    run(async {
        let mut failures = 0;
        yield_now().await;
        let mut endless = Box::pin(retry(ExponentialBackoff::new(Duration::ZERO), || {
            failures += 1;
            ready(Err::<(), _>(1))
        }));
        poll_fn(|cx| {
            assert!(endless.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(endless);
        assert!((1..=BUDGET).contains(&failures));
    });
}
