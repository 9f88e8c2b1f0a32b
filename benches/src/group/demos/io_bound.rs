//! Five fetches: one after the other, on threads, on an event loop, in processes.

use super::{Mode, TASKS};
use brigade_pool::Pool;
use brigade_process::ProcessPool;
use brigade_runtime::{gather, hyper::Io, net::TcpStream};
use http_body_util::Empty;
use hyper::{Request, body::Bytes, client::conn::http1, header};

/// Runs the experiment, from nothing to its results. Returns the status of each fetch that succeeded.
pub(crate) fn run(mode: Mode, url: &str) -> Vec<u16> {
    let urls = || (0..TASKS).map(|_| url.to_owned());
    match mode {
        Mode::Sync => urls().filter_map(fetch).collect(),
        Mode::Threads => {
            let pool = Pool::builder().threads(TASKS).build().expect("the machine lets us start threads");
            let replies = pool.map(fetch, urls());
            pool.shutdown();
            replies.into_iter().flatten().flatten().collect()
        }
        Mode::Async => {
            let replies = brigade_runtime::run(gather(urls().map(fetch_async)));
            replies.into_iter().flatten().collect()
        }
        Mode::Processes => {
            let procs = ProcessPool::new(TASKS).expect("the machine lets us start processes");
            let replies = procs.map(fetch, urls());
            procs.shutdown();
            replies.into_iter().flatten().flatten().collect()
        }
    }
}

/// A blocking fetch.
fn fetch(url: String) -> Option<u16> {
    let mut response = ureq::get(&url).call().ok()?;
    response.body_mut().read_to_vec().ok()?;
    Some(response.status().as_u16())
}

/// The same as a future, by hyper on our runtime.
async fn fetch_async(url: String) -> Result<u16, Box<dyn std::error::Error + Send + Sync>> {
    let (host, path) =
        url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("not a URL")?;
    let (mut sender, connection) = http1::handshake(Io::new(TcpStream::connect(host).await?)).await?;
    drop(brigade_runtime::spawn(connection));
    let request = Request::get(format!("/{path}")).header(header::HOST, host).body(Empty::<Bytes>::new())?;
    Ok(sender.send_request(request).await?.status().as_u16())
}
