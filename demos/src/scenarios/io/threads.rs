//! On threads. The document: `threading.Thread(target=fetch, args=(url,))` for each, then `join` each.

use super::{Plan, effort};
use crate::{
    crew,
    experiment::{Crew, Effort},
    fetch::{Failure, blocking},
    show::Progress,
};
use std::io;

/// More threads than this are of no use to anybody, however many requests there are.
pub(super) const MOST: usize = 256;

pub(super) fn fetch_all(plan: &Plan, progress: &Progress) -> io::Result<Effort> {
    let workers = plan.workers(MOST);
    let pool = crew::threads(workers, "fetch")?;
    progress.workers_ready();
    let (limit, line) = (plan.limit, progress.clone());
    let fetch = move |url: String| line.tick(blocking::fetch(&url, limit));
    let replies = pool.map(fetch, plan.urls.iter().cloned());
    progress.work_done();
    pool.shutdown();
    let replies =
        replies.into_iter().map(|reply| reply.unwrap_or_else(|error| Err(Failure::from_join(&error))));
    Ok(effort(Crew::Threads(workers), replies))
}
