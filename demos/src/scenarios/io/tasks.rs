//! As tasks on one thread. The document: `await asyncio.gather(*tasks)` under `asyncio.run`.

use super::{FetchPlan, completed};
use crate::{
    experiment::{Completed, Workers},
    fetch::{Failure, concurrent},
    show::Progress,
};
use std::io;

// --code from here
pub(super) fn fetch_all(plan: &FetchPlan, progress: &Progress) -> io::Result<Completed> {
    let mut replies = Vec::with_capacity(plan.urls.len());
    brigade_runtime::run(async {
        // This is one wave, unless the process may not open so many connections at once.
        for wave in plan.urls.chunks(plan.at_once) {
            let spawn = |url: &String| {
                let (url, limit, progress) = (url.clone(), plan.limit, progress.clone());
                brigade_runtime::spawn_local(
                    async move { progress.tick(concurrent::fetch(&url, limit).await) },
                )
            };
            let tasks: Vec<_> = wave.iter().map(spawn).collect();
            for task in tasks {
                replies.push(task.await.unwrap_or_else(|error| Err(Failure::from_join(&error))));
            }
        }
    });
    Ok(completed(Workers::Threads(1), replies))
}
// --code to here
