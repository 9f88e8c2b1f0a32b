//! The client for threads: ureq, which blocks its thread until the answer is there.
//!
//! Its name resolver is ours (`resolver.rs`): ureq's own starts a thread for every request, and panics if the
//! system grants none.

use super::{Failure, FailureKind, Reply, Target, resolver::ThreadResolver, tls};
use brigade_trace::{Cause, Domain, Resource, Site, Wait, label};
use std::{io, time::Duration};
use ureq::{Agent, Error, tls::TlsConfig, unversioned::transport::DefaultConnector};

/// Fetches a URL and reads the whole answer.
///
/// # Errors
///
/// Returns a [`Failure`] if no whole answer came within `limit`.
#[track_caller]
pub fn fetch(url: &str, limit: Duration) -> Reply {
    let target = Target::parse(url)?;
    // For a trace, all of it is one wait for the answer.
    let answer = Resource::new(Domain::Source);
    label(answer.id(), || format!("GET {url}"));
    let wait = Wait::begin(|| answer.id(), Cause::Readiness, Site::here());
    let reply = exchange(&target, limit);
    wait.end(Cause::Readiness);
    reply
}

fn exchange(target: &Target, limit: Duration) -> Reply {
    let tls = if target.secure { tls::ureq_config()? } else { TlsConfig::default() };
    let config = Agent::config_builder()
        .timeout_global(Some(limit))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .proxy(None)
        .tls_config(tls)
        .build();
    let agent = Agent::with_parts(config, DefaultConnector::default(), ThreadResolver);
    let told = |error| explain(error, limit);
    let mut response = agent.get(&target.uri).header("connection", "close").call().map_err(told)?;
    let mut body = response.body_mut().as_reader();
    io::copy(&mut body, &mut io::sink()).map_err(|error| explain(Error::from(error), limit))?;
    Ok(response.status().as_u16())
}

fn explain(error: Error, limit: Duration) -> Failure {
    match error {
        Error::Io(error) => match error.downcast::<Error>() {
            // A failure during the reading of the body comes wrapped in an I/O error.
            Ok(inner) => explain(inner, limit),
            Err(error) => Failure::from_io(&error),
        },
        Error::Timeout(_) => Failure::timeout(limit.as_secs_f64()),
        Error::HostNotFound => Failure::new(FailureKind::Resolve, "the host name has no address"),
        Error::ConnectionFailed => Failure::new(FailureKind::Refused, "no connection could be made"),
        Error::BadUri(why) => Failure::new(FailureKind::Url, why),
        Error::Http(error) => Failure::new(FailureKind::Url, error.to_string()),
        Error::Tls(why) => Failure::new(FailureKind::Tls, why),
        Error::Rustls(error) => Failure::new(FailureKind::Tls, tls::explain(&error)),
        other => Failure::new(FailureKind::Protocol, other.to_string()),
    }
}
