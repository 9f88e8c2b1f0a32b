//! The servers that answer the requests of `brigade io`: our own server or the user's, and how many requests
//! fit at once.
//!
//! Every connection costs a descriptor on each side. With the server in this process that makes two, so ten
//! thousand requests need more than twenty thousand descriptors. If the system grants fewer, the server moves
//! into a child process, which has a limit of its own. If even that is too little, the requests go in waves.

use crate::{
    experiment::peak_bytes,
    interrupt::Interruptible,
    pools,
    scenario::{CommandError, failed},
    server::{Server, ThreadClock},
    show::{Output, mebibytes, thousands},
};
use brigade_process::usage;
use std::{io, sync::Mutex};

/// How many descriptors are kept for other things than connections: standard streams, epoll, sockets to
/// children.
const RESERVED_DESCRIPTORS: usize = 256;

/// The servers that answer.
#[derive(Debug)]
pub(super) struct Upstream {
    /// Says what is fetched, for the heading.
    pub(super) description: String,
    /// Remarks that the user should read beforehand.
    pub(super) notes: Vec<String>,
    /// How many requests fit at once.
    pub(super) at_once: usize,
    urls: Vec<String>,
    placement: Placement,
}

/// Where the server runs.
#[derive(Debug)]
enum Placement {
    /// Elsewhere: it belongs to the user.
    Foreign,
    /// Our server runs on a thread of this process.
    Thread(Server),
    /// Our server runs in a child process.
    Child(Interruptible),
}

impl Upstream {
    /// Starts our server if `urls` is empty, and raises the descriptor limit as far as `requests` need it.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be started.
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
        let path = format!("/delay/{delay}");
        let (placement, base) = match urls {
            [] if 2 * requests + RESERVED_DESCRIPTORS <= limit => start_on_thread()?,
            [] => {
                notes.push(format!(
                    "The descriptor limit, {}, is too low for both sides: the server is a child process.",
                    thousands(limit as u64)
                ));
                start_in_child()?
            }
            _ => (Placement::Foreign, String::new()),
        };
        let (urls, description) = match urls {
            [] => (vec![format!("{base}{path}")], format!("{path} from our own server, {base}")),
            [url] => (vec![url.clone()], url.clone()),
            urls => (urls.to_vec(), format!("{} URLs in turn", urls.len())),
        };
        Ok(Self { description, notes, at_once, urls, placement })
    }

    /// Lists a URL for each request, the user's URLs in turn.
    pub(super) fn urls(&self, requests: usize) -> Vec<String> {
        self.urls.iter().cycle().take(requests).cloned().collect()
    }

    /// The CPU clock of the server's thread, if that is a thread of this process.
    pub(super) fn server_clock(&self) -> Option<&ThreadClock> {
        if let Placement::Thread(server) = &self.placement { Some(server.clock()) } else { None }
    }

    /// Ends our server. A server in a child first reports its peak memory.
    pub(super) fn end(self, output: &Output) {
        if let Placement::Child(child) = self.placement
            && let Ok(peak) = child.with(|child| child.spawn(|()| peak_bytes(), ())).join()
        {
            output.line("");
            output.paragraph(&format!("The server's own process held {} at its peak.", mebibytes(peak)));
        }
    }
}

const CANNOT_START: &str = "cannot start the server";

/// Starts our server on a thread of this process. Returns its URL, too.
fn start_on_thread() -> Result<(Placement, String), CommandError> {
    let server = Server::start(0).map_err(failed(CANNOT_START))?;
    let url = server.url("");
    Ok((Placement::Thread(server), url))
}

/// Starts our server in a child process. Returns its URL, too.
fn start_in_child() -> Result<(Placement, String), CommandError> {
    let child = pools::processes(1).map_err(failed(CANNOT_START))?;
    let started = child.with(|child| child.spawn(serve_in_child, 0)).join();
    let url = started.map_err(failed(CANNOT_START))?;
    let url = url.map_err(|why| CommandError::failed(CANNOT_START, io::Error::other(why)))?;
    Ok((Placement::Child(child), url))
}

/// Runs in a child: starts a server there that lives as long as the child, and returns its URL.
fn serve_in_child(port: u16) -> Result<String, String> {
    static SERVER: Mutex<Option<Server>> = Mutex::new(None);
    let server = Server::start(port).map_err(|error| error.to_string())?;
    let url = server.url("");
    *SERVER.lock().map_err(|error| error.to_string())? = Some(server);
    Ok(url)
}
