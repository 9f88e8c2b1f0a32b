//! One after the other. The document: `for url in urls: requests.get(url)`.

use super::{FetchPlan, completed};
use crate::{
    experiment::{Completed, Workers},
    fetch::{Reply, blocking},
    show::Progress,
};
use std::io;

// --code from here
pub(super) fn fetch_all(plan: &FetchPlan, progress: &Progress) -> io::Result<Completed> {
    let fetch = |url: &String| progress.tick(blocking::fetch(url, plan.limit));
    let replies: Vec<Reply> = plan.urls.iter().map(fetch).collect();
    Ok(completed(Workers::Threads(1), replies))
}
// --code to here
