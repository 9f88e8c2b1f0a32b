//! On threads. The document: `threading.Thread(target=fetch, args=(url,))` for each, then `join` each.

use super::{FetchPlan, Fetched, completed, reply_of};
use crate::{experiment::Workers, fetch::blocking, pools, show::Progress};

/// More threads than this are of no use, however many requests there are.
pub(super) const THREADS_MAX: usize = 256;

// --code from here
pub(super) fn fetch_all(plan: &FetchPlan, progress: &Progress) -> Fetched {
    let workers = plan.workers(THREADS_MAX);
    let pool = pools::threads(workers, "fetch")?;
    progress.workers_ready();
    let (limit, line) = (plan.limit, progress.clone());
    let fetch = move |url: String| line.tick(blocking::fetch(&url, limit));
    let replies = pool.map(fetch, plan.urls.iter().cloned());
    progress.work_done();
    pool.shutdown();
    let replies = replies.into_iter().map(reply_of);
    Ok(completed(Workers::Threads(workers), replies))
}
// --code to here
