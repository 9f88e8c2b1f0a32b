//! The page of a recording, with its explanation.

use crate::{Bucket, Explanation, Timeline, explain, harmless, html};
use brigade_trace::Recording;
use std::fmt::Write;

/// The tasks whose explanations a page holds: those that took longest.
const TASKS_MAX: usize = 100;

/// Returns the recording as a page that says where the time went.
///
/// ```
/// use brigade_timeline::page;
/// use brigade_trace::{Domain, Kind, Recording, Session, fresh_id, record};
///
/// let session = Session::start(64).unwrap();
/// record(Kind::Spawn, fresh_id(Domain::Task), 0);
/// let page = page(&Recording::from(session.stop()), "soup");
/// assert!(page.contains("\"sentence\":"));
/// ```
#[must_use]
pub fn page(recording: &Recording, title: &str) -> String {
    let (program, tasks) = explain::longest(recording, TASKS_MAX);
    let mut json = String::from("{");
    if let Some(program) = &program {
        put_program(&mut json, program);
    }
    json.push_str("\"tasks\":{");
    for (place, (id, sentence)) in tasks.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = write!(json, "{comma}{}:{}", quoted(id), quoted(sentence));
    }
    json.push_str("}}");
    html::with_why(&Timeline::of(recording), title, &json)
}

fn put_program(json: &mut String, program: &Explanation) {
    let sentence = format!("{}, {}", program.subject, program.sentence());
    let _ = write!(json, "\"sentence\":{},\"parts\":[", quoted(&sentence));
    let parts = Bucket::ALL.into_iter().filter(|&bucket| program.part(bucket) > 0);
    for (place, bucket) in parts.enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = write!(json, "{comma}[{},{}]", quoted(bucket.name()), program.part(bucket));
    }
    json.push_str("],");
}

/// A text in quotes, such that it cannot end the script that it stands in.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in harmless(text).chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '<' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_name_cannot_end_the_script_it_stands_in() {
        assert_eq!(quoted("a\"</script>\n\u{202E}\\"), r#""a\"\u003c/script>��\\""#);
    }
}
