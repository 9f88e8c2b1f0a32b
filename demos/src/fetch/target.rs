//! The target of a request: a URL, taken apart and checked once for both clients.

use super::{Failure, FailureKind};
use hyper::Uri;

/// A URL that can be fetched.
#[derive(Debug, Clone)]
pub struct Target {
    /// The whole URL.
    pub uri: Uri,
    /// The name or address of the host, an IPv6 address without its brackets.
    pub host: String,
    /// The port, given or implied.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub secure: bool,
}

impl Target {
    /// Takes a URL apart.
    ///
    /// # Errors
    ///
    /// Returns a [`Failure`] of kind [`FailureKind::Url`] that says what is wrong with the URL.
    pub fn parse(url: &str) -> Result<Self, Failure> {
        let bad = |why: String| Failure::new(FailureKind::Url, format!("{url:?} {why}"));
        let uri: Uri = url.parse().map_err(|error| bad(format!("is not a URL ({error})")))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(other) => {
                return Err(bad(format!("has the scheme {other}, and only http and https are fetched")));
            }
            None => return Err(bad("has no scheme: write http:// or https:// in front".into())),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| bad("names no host".into()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        // The parser does not report an invalid port: it leaves the port out.
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let bare = authority.rsplit('@').next() == uri.host();
        let port = match uri.port() {
            None if !bare => return Err(bad("has a port that is not a number from 1 to 65535".into())),
            Some(port) if port.as_u16() == 0 => {
                return Err(bad("has port 0, which nobody can listen on".into()));
            }
            Some(port) => port.as_u16(),
            None if secure => 443,
            None => 80,
        };
        Ok(Self { host, port, secure, uri })
    }

    /// The path and query, for the request line.
    pub fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// The host and port, for the header `Host`.
    pub fn authority(&self) -> &str {
        // User and password do not belong in the header.
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        authority.rsplit('@').next().unwrap_or(authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(url: &str) -> String {
        let failure = Target::parse(url).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Url, "{url}");
        failure.message
    }

    #[test]
    fn a_url_is_taken_apart() {
        let target = Target::parse("https://user:secret@example.org/a?b=c").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.secure), ("example.org", 443, true));
        assert_eq!((target.path(), target.authority()), ("/a?b=c", "example.org"));
        let target = Target::parse("http://[::1]:8000").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.secure), ("::1", 8000, false));
        assert_eq!((target.path(), target.authority()), ("/", "[::1]:8000"));
    }

    #[test]
    fn a_target_that_is_no_url_is_refused() {
        assert!(why("example.org").contains("has no scheme"));
        assert!(why("ftp://example.org/").contains("scheme ftp"));
        assert!(why("http://").contains("is not a URL"));
        assert!(why("http://exa mple.org/").contains("is not a URL"));
        assert!(why("http://example.org:99999/").contains("65535"));
        assert!(why("http://example.org:0/").contains("port 0"));
        assert!(why("").contains("is not a URL"));
    }
}
