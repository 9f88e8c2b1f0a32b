//! Where the requests of `brigade io` go: to our own server, or to the user's URLs; and how many fit at once.
//!
//! Every connection costs a descriptor on each side. With the server in this process that is two, so ten thousand
//! requests need more than twenty thousand: where the system grants fewer, the server moves into a child process, which
//! has a limit of its own. Where even that is too little, the requests go in waves.

use crate::{
    experiment::peak_bytes,
    interrupt::Interruptible,
    pools,
    scenario::CommandError,
    server::{Server, ThreadClock},
    show::{Output, mebibytes, thousands},
};
use brigade_process::usage;
use std::sync::Mutex;

/// Descriptors for everything that is not a connection: standard streams, epoll, sockets to children.
const RESERVED_DESCRIPTORS: usize = 256;

/// The place that answers.
#[derive(Debug)]
pub(super) struct Upstream {
    /// What is fetched, for the heading.
    pub(super) what: String,
    /// What the user should know beforehand.
    pub(super) notes: Vec<String>,
    /// How many requests fit at once.
    pub(super) at_once: usize,
    urls: Vec<String>,
    host: Placement,
}

#[derive(Debug)]
enum Placement {
    /// The user's.
    Foreign,
    /// Ours, on a thread.
    Thread(Server),
    /// Ours, in a child.
    Child(Interruptible),
}

impl Upstream {
    /// Starts our server if `urls` is empty, and raises the descriptor limit as far as `requests` need it.
    ///
    /// # Errors
    ///
    /// If the server cannot be started.
    pub(super) fn prepare(requests: usize, urls: &[String], delay: f64) -> Result<Self, CommandError> {
        let limit = usage::raise_descriptor_limit(2 * requests as u64 + RESERVED_DESCRIPTORS as u64)
            .map_or(1024, |n| n as usize);
        let at_once = limit.saturating_sub(RESERVED_DESCRIPTORS).max(1);
        let mut notes = Vec::new();
        if at_once < requests {
            let limit = thousands(limit as u64);
            let fit = thousands(at_once as u64);
            notes.push(format!(
                "The descriptor limit, {limit}, is too low (`ulimit -Hn`): async goes in waves of {fit}."
            ));
        }
        let failed = |error| CommandError::failed("cannot start the server", error);
        let path = format!("/delay/{delay}");
        let (host, base) = if !urls.is_empty() {
            (Placement::Foreign, String::new())
        } else if 2 * requests + RESERVED_DESCRIPTORS <= limit {
            let server = Server::start(0).map_err(failed)?;
            let base = server.url("");
            (Placement::Thread(server), base)
        } else {
            let limit = thousands(limit as u64);
            notes.push(format!(
                "The descriptor limit, {limit}, is too low for both sides: the server is a child process."
            ));
            let child = pools::processes(1).map_err(failed)?;
            let base = child.with(|child| child.spawn(serve_in_child, 0)).join();
            let base = base.map_err(|error| CommandError::failed("cannot start the server", error))?;
            (
                Placement::Child(child),
                base.map_err(|why| {
                    CommandError::failed("cannot start the server", std::io::Error::other(why))
                })?,
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
        if let Placement::Thread(server) = &self.host { Some(server.clock()) } else { None }
    }

    /// Ends our server; a child first says what it cost.
    pub(super) fn end(self, output: &Output) {
        if let Placement::Child(child) = self.host
            && let Ok(peak) = child.with(|child| child.spawn(|()| peak_bytes(), ())).join()
        {
            output.line("");
            output.paragraph(&format!("The server's own process held {} at its peak.", mebibytes(peak)));
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
