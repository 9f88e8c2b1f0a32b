//! Where the requests of `brigade io` go: to our own server, or to the user's URLs; and how many fit at once.
//!
//! Every connection costs a descriptor on each side. With the server in this process that is two, so ten thousand
//! requests need more than twenty thousand: where the system grants fewer, the server moves into a child process, which
//! has a limit of its own. Where even that is too little, the requests go in waves.

use crate::{
    experiment::peak_bytes,
    interrupt::Guarded,
    scenario::Trouble,
    server::{Server, ThreadClock},
    show::{Stage, count, memory},
};
use brigade_process::usage;
use std::sync::Mutex;

/// Descriptors for everything that is not a connection: standard streams, epoll, sockets to children.
const RESERVE: usize = 256;

/// The place that answers.
#[derive(Debug)]
pub(super) struct Hosting {
    /// What is fetched, for the heading.
    pub(super) what: String,
    /// What the user should know beforehand.
    pub(super) notes: Vec<String>,
    /// How many requests fit at once.
    pub(super) at_once: usize,
    urls: Vec<String>,
    host: Host,
}

#[derive(Debug)]
enum Host {
    /// The user's.
    Foreign,
    /// Ours, on a thread.
    Thread(Server),
    /// Ours, in a child.
    Child(Guarded),
}

impl Hosting {
    /// Starts our server if `urls` is empty, and raises the descriptor limit as far as `requests` need it.
    ///
    /// # Errors
    ///
    /// If the server cannot be started.
    pub(super) fn prepare(requests: usize, urls: &[String], delay: f64) -> Result<Self, Trouble> {
        let limit =
            usage::raise_descriptor_limit(2 * requests as u64 + RESERVE as u64).map_or(1024, |n| n as usize);
        let at_once = limit.saturating_sub(RESERVE).max(1);
        let mut notes = Vec::new();
        if at_once < requests {
            let limit = count(limit as u64);
            let fit = count(at_once as u64);
            notes.push(format!(
                "The descriptor limit, {limit}, is too low (`ulimit -Hn`): async goes in waves of {fit}."
            ));
        }
        let failed = |error| Trouble::failed("cannot start the server", error);
        let path = format!("/delay/{delay}");
        let (host, base) = if !urls.is_empty() {
            (Host::Foreign, String::new())
        } else if 2 * requests + RESERVE <= limit {
            let server = Server::start(0).map_err(failed)?;
            let base = server.url("");
            (Host::Thread(server), base)
        } else {
            let limit = count(limit as u64);
            notes.push(format!(
                "The descriptor limit, {limit}, is too low for both sides: the server is a child process."
            ));
            let child = Guarded::start(1).map_err(failed)?;
            let base = child.with(|child| child.spawn(serve_in_child, 0)).join();
            let base = base.map_err(|error| Trouble::failed("cannot start the server", error))?;
            (
                Host::Child(child),
                base.map_err(|why| Trouble::failed("cannot start the server", std::io::Error::other(why)))?,
            )
        };
        let (urls, what) = match urls {
            [] => (vec![format!("{base}{path}")], format!("{path} from our own server, {base}")),
            [url] => (vec![url.clone()], url.clone()),
            urls => (urls.to_vec(), format!("{} URLs in turn", urls.len())),
        };
        Ok(Self { what, notes, at_once, urls, host })
    }

    /// So many URLs to fetch, the user's in turn.
    pub(super) fn urls(&self, requests: usize) -> Vec<String> {
        self.urls.iter().cycle().take(requests).cloned().collect()
    }

    /// The clock of the server's thread, if that is one of this process.
    pub(super) fn server(&self) -> Option<&ThreadClock> {
        if let Host::Thread(server) = &self.host { Some(server.clock()) } else { None }
    }

    /// Ends our server; a child first says what it cost.
    pub(super) fn end(self, stage: &Stage) {
        if let Host::Child(child) = self.host
            && let Ok(peak) = child.with(|child| child.spawn(|()| peak_bytes(), ())).join()
        {
            stage.line("");
            stage.paragraph(&format!("The server's own process held {} at its peak.", memory(peak)));
        }
    }
}

/// Runs in a child: starts a server there that lives as long as the child, and says where it listens.
fn serve_in_child(port: u16) -> Result<String, String> {
    static SERVER: Mutex<Option<Server>> = Mutex::new(None);
    let server = Server::start(port).map_err(|error| error.to_string())?;
    let url = server.url("");
    *SERVER.lock().map_err(|error| error.to_string())? = Some(server);
    Ok(url)
}
