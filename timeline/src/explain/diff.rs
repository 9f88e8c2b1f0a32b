//! The difference of two recordings: their explanations, compared by place and reason.

use super::{Bucket, Explanation, Reason};
use crate::{
    text::push_line,
    words::{cut, duration},
};
use std::{cmp::Reverse, collections::BTreeMap, fmt::Write, net::SocketAddr};

/// The first of the ports that Linux draws, unless it is told otherwise.
const DRAWN_PORT_MIN: u16 = 32_768;
/// How many changes the text lists.
const CHANGES_MAX: usize = 12;

/// A part of the critical path that takes another time in the second recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The bucket.
    pub bucket: Bucket,
    /// The work that ran or waited: a name, or its kind.
    pub subject: String,
    /// The thing that it waited for, or empty.
    pub resource: String,
    /// The place in the program, or empty.
    pub site: String,
    /// Its time in the first recording, in nanoseconds.
    pub before: u64,
    /// Its time in the second one.
    pub after: u64,
}

/// The difference of two recordings. The changes add up to the difference of the wall times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The wall time of the first recording, in nanoseconds.
    pub before: u64,
    /// The wall time of the second one.
    pub after: u64,
    /// The changes, the greatest first.
    pub changes: Vec<Change>,
}

/// Compares two explanations.
///
/// ```
/// use brigade_timeline::{diff, why};
/// use brigade_trace::{Recording, Session};
///
/// let recording = Recording::from(Session::start(64).unwrap().stop());
/// let explanation = why(&recording, None)?;
/// assert!(diff(&explanation, &explanation).changes.is_empty());
/// # Ok::<(), brigade_timeline::CannotExplain>(())
/// ```
#[must_use]
pub fn diff(before: &Explanation, after: &Explanation) -> Difference {
    let mut times: BTreeMap<(Bucket, String, String, String), (u64, u64)> = BTreeMap::new();
    for (is_after, explanation) in [(false, before), (true, after)] {
        for reason in &explanation.reasons {
            let Reason { bucket, subject, resource, site, .. } = reason;
            let [subject, resource, site] = [subject, resource, site].map(|text| without_ports(text));
            let time = times.entry((*bucket, subject, resource, site)).or_default();
            *(if is_after { &mut time.1 } else { &mut time.0 }) += reason.nanos;
        }
    }
    let changed = times.into_iter().filter(|(_, (before, after))| before != after);
    let mut changes: Vec<Change> = changed
        .map(|((bucket, subject, resource, site), (before, after))| Change {
            bucket,
            subject,
            resource,
            site,
            before,
            after,
        })
        .collect();
    changes.sort_by_key(|change| Reverse(change.before.abs_diff(change.after)));
    Difference { before: before.wall(), after: after.wall(), changes }
}

/// The text with `*` for the ports that the system draws anew for each connection.
fn without_ports(text: &str) -> String {
    let words = text.split(' ').map(|word| match word.parse::<SocketAddr>() {
        Ok(address) if address.port() >= DRAWN_PORT_MIN => {
            word.strip_suffix(&address.port().to_string()).map_or(word.into(), |host| format!("{host}*"))
        }
        _ => word.into(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A difference with its sign.
fn signed(before: u64, after: u64) -> String {
    let sign = if after < before { '−' } else { '+' };
    format!("{sign}{}", duration(before.abs_diff(after)))
}

impl Difference {
    /// Returns the difference as lines of text for so many columns, 40 at least.
    #[must_use]
    pub fn text(&self, columns: usize) -> String {
        let columns = columns.max(40);
        let mut out = String::new();
        let verdict = match self.after.cmp(&self.before) {
            std::cmp::Ordering::Less => "faster",
            std::cmp::Ordering::Equal => "as fast",
            std::cmp::Ordering::Greater => "slower",
        };
        let _ = writeln!(
            out,
            "{} → {}: {}, {verdict}.",
            duration(self.before),
            duration(self.after),
            signed(self.before, self.after),
        );
        for change in self.changes.iter().take(CHANGES_MAX) {
            push_line(&mut out, &cut(&change.line(), columns));
        }
        if self.changes.len() > CHANGES_MAX {
            let _ = writeln!(out, "  … {} smaller changes", self.changes.len() - CHANGES_MAX);
        }
        out
    }
}

impl Change {
    fn line(&self) -> String {
        let mut line =
            format!("{:>12}  {}: {}", signed(self.before, self.after), self.subject, self.bucket.name());
        for (word, text) in [("", &self.resource), ("at ", &self.site)] {
            if !text.is_empty() {
                let _ = write!(line, ", {word}{text}");
            }
        }
        let _ = write!(line, " ({} → {})", duration(self.before), duration(self.after));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::without_ports;

    #[test]
    fn connections_to_one_host_are_compared_whatever_their_ports() {
        assert_eq!(without_ports("source 127.0.0.1:54321"), "source 127.0.0.1:*");
        assert_eq!(without_ports("source [::1]:40000 at a.rs:54321"), "source [::1]:* at a.rs:54321");
        assert_eq!(without_ports("source 127.0.0.1:8080"), "source 127.0.0.1:8080");
    }
}
