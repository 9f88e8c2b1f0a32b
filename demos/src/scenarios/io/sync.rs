//! One after the other. The document: `for url in urls: requests.get(url)`.

use super::{FetchPlan, Fetched, completed};
use crate::{
    experiment::Workers,
    fetch::{Reply, blocking::fetch},
    show::Progress,
};

// --code from here
pub(super) fn fetch_all(plan: &FetchPlan, progress: &Progress) -> Fetched {
    let ask = |url: &String| progress.tick(fetch(url, plan.limit));
    let replies: Vec<Reply> = plan.urls.iter().map(ask).collect();
    Ok(completed(Workers::Threads(1), replies))
}
// --code to here
