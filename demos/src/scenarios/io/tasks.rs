//! As tasks on one thread. The document: `await asyncio.gather(*tasks)` under `asyncio.run`.

use super::{FetchPlan, Fetched, completed, reply_of};
use crate::{experiment::Workers, fetch::concurrent, show::Progress};
use brigade_runtime::{run, spawn_local};

// --code from here
pub(super) fn fetch_all(plan: &FetchPlan, progress: &Progress) -> Fetched {
    let mut replies = Vec::with_capacity(plan.urls.len());
    run(async {
        // This is one wave, unless the process may not open so many
        // connections at once.
        for wave in plan.urls.chunks(plan.at_once) {
            let spawn = |url: &String| {
                let (url, limit) = (url.clone(), plan.limit);
                let progress = progress.clone();
                spawn_local(async move {
                    let reply = concurrent::fetch(&url, limit).await;
                    progress.tick(reply)
                })
            };
            let tasks: Vec<_> = wave.iter().map(spawn).collect();
            for task in tasks {
                replies.push(reply_of(task.await));
            }
        }
    });
    Ok(completed(Workers::Threads(1), replies))
}
// --code to here
