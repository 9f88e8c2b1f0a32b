//! One after the other. The document: `for url in urls: requests.get(url)`.

use super::{Plan, effort};
use crate::{
    experiment::{Crew, Effort},
    fetch::{Reply, blocking},
    show::Progress,
};
use std::io;

pub(super) fn fetch_all(plan: &Plan, progress: &Progress) -> io::Result<Effort> {
    let fetch = |url: &String| progress.tick(blocking::fetch(url, plan.limit));
    let replies: Vec<Reply> = plan.urls.iter().map(fetch).collect();
    Ok(effort(Crew::Threads(1), replies))
}
