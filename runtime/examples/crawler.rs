//! A crawler: follows links from page to page, with a limit on the requests at once, a timeout for each, and
//! further attempts at what may pass.
//!
//! `cargo run -p brigade-runtime --example crawler --features hyper-client` crawls a small site that it
//! serves itself. `… -- http://HOST/ …` crawls from these addresses, and does not leave their hosts.

use brigade_runtime::{
    ExponentialBackoff, JoinSet,
    hyper::{Connector, Executor, Io, Timer},
    net::TcpListener,
    retry_if, run, spawn,
    sync::Semaphore,
    timeout,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::{Request, Response, StatusCode, Uri, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::client::legacy::Client;
use std::{
    collections::{BTreeMap, HashSet},
    convert::Infallible,
    error::Error,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// How many requests are under way at once.
const REQUESTS_AT_ONCE_MAX: usize = 4;
/// How often a page is asked for, if a failure may pass.
const ATTEMPTS_MAX: u32 = 3;
/// The longest pause after the first attempt. Each later pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// How many pages are visited at most.
const PAGES_MAX: usize = 500;
/// How many bytes of a page are read at most.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// The state that the tasks share.
struct Crawler {
    client: Client<Connector, Empty<Bytes>>,
    requests: Semaphore,
    attempts: AtomicU32,
}

/// Why a page could not be read.
enum Failure {
    /// The next attempt may succeed.
    MayPass(String),
    Final(String),
}

/// The status and the links of a page.
type Page = (StatusCode, Vec<Uri>);

impl Crawler {
    /// Asks for a page, and again if the failure may pass.
    async fn visit(&self, page: &Uri) -> Result<Page, String> {
        let backoff = ExponentialBackoff::new(FIRST_PAUSE).max_tries(ATTEMPTS_MAX);
        let may_pass = |failure: &Failure| matches!(failure, Failure::MayPass(_));
        let visited = retry_if(backoff, may_pass, || async {
            // The limit is on requests under way. A visit that pauses lets another have its turn.
            let _permit = self.requests.acquire().await.expect("the semaphore is never closed");
            self.attempts.fetch_add(1, Ordering::Relaxed);
            let late = || Err(Failure::MayPass(format!("no answer in {ATTEMPT_TIMEOUT:?}")));
            timeout(ATTEMPT_TIMEOUT, self.attempt(page)).await.unwrap_or_else(|_| late())
        });
        visited.await.map_err(|failure| match failure {
            Failure::MayPass(why) => format!("{why}, {ATTEMPTS_MAX} times"),
            Failure::Final(why) => why,
        })
    }

    async fn attempt(&self, page: &Uri) -> Result<Page, Failure> {
        let response = self.client.get(page.clone()).await.map_err(|error| {
            // The error beneath says why.
            let why = error.source().map_or_else(|| error.to_string(), |source| source.to_string());
            if error.is_connect() { Failure::MayPass(why) } else { Failure::Final(why) }
        })?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Failure::MayPass(format!("answered {status}")));
        }
        let body = Limited::new(response.into_body(), PAGE_BYTES_MAX).collect().await;
        let body = body.map_err(|error| Failure::Final(error.to_string()))?.to_bytes();
        Ok((status, links(page, &String::from_utf8_lossy(&body))))
    }
}

/// Returns the addresses that a page links to: those that begin with a slash, and those with `http://`.
fn links(page: &Uri, text: &str) -> Vec<Uri> {
    let targets = text.split("href=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
    let absolute = |target: &str| match target.strip_prefix('/') {
        Some(path) => format!("http://{}/{path}", page.authority()?).parse().ok(),
        None => target.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("http")),
    };
    targets.filter_map(absolute).collect()
}

/// Visits all pages that can be reached, and returns how each visit ended.
async fn crawl(crawler: Arc<Crawler>, start: Vec<Uri>) -> BTreeMap<String, Result<StatusCode, String>> {
    let hosts: HashSet<_> = start.iter().filter_map(Uri::authority).cloned().collect();
    let (mut seen, mut ends, mut visits) = (HashSet::new(), BTreeMap::new(), JoinSet::new());
    let mut found = start;
    loop {
        for page in found.drain(..) {
            let is_here = page.authority().is_some_and(|host| hosts.contains(host));
            if is_here && seen.len() < PAGES_MAX && seen.insert(page.clone()) {
                let crawler = crawler.clone();
                visits.spawn(async move { (crawler.visit(&page).await, page) });
            }
        }
        let Some(visit) = visits.join_next().await else { return ends };
        let (end, page) = visit.expect("a visit does not panic");
        match &end {
            Ok((status, links)) => println!("{} {page}, {} links", status.as_u16(), links.len()),
            Err(why) => println!("--- {page}: {why}"),
        }
        ends.insert(
            page.to_string(),
            end.map(|(status, links)| {
                found = links;
                status
            }),
        );
    }
}

/// A site of a few pages. `/slow` does not answer at first, and `/busy` refuses twice.
async fn serve(listener: TcpListener) {
    let (slow, busy) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    while let Ok((stream, _)) = listener.accept().await {
        let (slow, busy) = (slow.clone(), busy.clone());
        let answer = service_fn(move |request: Request<Incoming>| {
            let (slow, busy) = (slow.clone(), busy.clone());
            async move {
                let (status, text) = match request.uri().path() {
                    "/" => (200, r#"<a href="/soup"> <a href="/slow"> <a href="/busy"> <a href="/gone">"#),
                    "/soup" => {
                        (200, r#"<a href="/"> <a href="/salad"> <a href="http://elsewhere.invalid/">"#)
                    }
                    "/slow" if slow.fetch_add(1, Ordering::Relaxed) == 0 => std::future::pending().await,
                    "/busy" if busy.fetch_add(1, Ordering::Relaxed) < 2 => (503, ""),
                    "/slow" | "/busy" | "/salad" => (200, ""),
                    _ => (404, ""),
                };
                let mut response = Response::new(Full::new(Bytes::from(text)));
                *response.status_mut() = StatusCode::from_u16(status).expect("a status");
                Ok::<_, Infallible>(response)
            }
        });
        drop(spawn(http1::Builder::new().serve_connection(Io::new(stream), answer)));
    }
}

async fn crawl_all(addresses: Vec<String>) -> Result<(), Box<dyn Error>> {
    let crawler = Arc::new(Crawler {
        client: Client::builder(Executor).pool_timer(Timer).build(Connector),
        requests: Semaphore::new(REQUESTS_AT_ONCE_MAX),
        attempts: AtomicU32::new(0),
    });
    if !addresses.is_empty() {
        let start = addresses.iter().map(|address| {
            let uri = address.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("http"));
            uri.ok_or_else(|| format!("{address} is no address that begins with http://"))
        });
        let ends = crawl(crawler, start.collect::<Result<_, _>>()?).await;
        let failed = ends.values().filter(|end| end.is_err()).count();
        println!("{} pages, {failed} of them failed", ends.len());
        return if failed == ends.len() { Err("no page could be read".into()) } else { Ok(()) };
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let home: Uri = format!("http://{}/", listener.local_addr()?).parse()?;
    let server = spawn(serve(listener));
    let ends = crawl(crawler.clone(), vec![home]).await;
    server.cancel();
    let retries = crawler.attempts.load(Ordering::Relaxed) as usize - ends.len();
    println!("{} pages, {retries} retries", ends.len());
    let count = |status| ends.values().filter(|end| end.as_ref().is_ok_and(|of| *of == status)).count();
    assert_eq!((count(StatusCode::OK), count(StatusCode::NOT_FOUND), ends.len()), (5, 1, 6));
    assert_eq!(retries, 3);
    Ok(())
}

fn main() -> ExitCode {
    match run(crawl_all(std::env::args().skip(1).collect())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crawler: {error}");
            ExitCode::FAILURE
        }
    }
}
