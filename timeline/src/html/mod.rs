//! The timeline as one page of HTML: style, script and data are in it, so that it opens from disk without a
//! network.
//!
//! The page is plain JavaScript in `timeline/page/`, put together here. The data are the columns of the
//! timeline (`columns.rs`), compressed in the format that browsers decompress, in base64.

mod base64;
mod columns;

use crate::{model::Timeline, words::harmless};

const PAGE: &str = include_str!("../../page/page.html");
const STYLE: &str = include_str!("../../page/style.css");
/// The parts of the script, in the order in which they use one another.
const SCRIPTS: [&str; 9] = [
    include_str!("../../page/decode.js"),
    include_str!("../../page/model.js"),
    include_str!("../../page/colours.js"),
    include_str!("../../page/view.js"),
    include_str!("../../page/draw.js"),
    include_str!("../../page/panel.js"),
    include_str!("../../page/replay.js"),
    include_str!("../../page/input.js"),
    include_str!("../../page/main.js"),
];

/// How hard the data are compressed, from 0 to 10: the best that takes about a second for a million events.
const COMPRESSION_LEVEL: u8 = 5;

/// Returns a page that shows the timeline under this title.
///
/// ```
/// use brigade_timeline::{Timeline, html};
///
/// let page = html(&Timeline::default(), "soup & bread");
/// assert!(page.contains("<title>soup &amp; bread</title>"));
/// assert!(!page.contains("src="), "the page loads nothing");
/// ```
#[must_use]
pub fn html(timeline: &Timeline, title: &str) -> String {
    with_why(timeline, title, "{\"tasks\":{}}")
}

/// Returns the page with an explanation, in JSON.
pub(crate) fn with_why(timeline: &Timeline, title: &str, why: &str) -> String {
    let data = miniz_oxide::deflate::compress_to_vec(&columns::of(timeline), COMPRESSION_LEVEL);
    let script = format!("(() => {{\n'use strict';\n{}}})();\n", SCRIPTS.concat());
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + script.len() + data.len() * 4 / 3 + 64);
    let mut rest = PAGE;
    while let Some((before, marked)) = rest.split_once("{{") {
        let (name, after) = marked.split_once("}}").expect("each mark in the page is closed");
        page.push_str(before);
        match name {
            "title" => page.push_str(&escaped(title)),
            "style" => page.push_str(STYLE),
            "script" => page.push_str(&script),
            "why" => page.push_str(why),
            "data" => base64::put(&mut page, &data),
            other => unreachable!("the page has an unknown mark {other}"),
        }
        rest = after;
    }
    page + rest
}

fn escaped(text: &str) -> String {
    harmless(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_the_page_has_100_kilobytes_at_most() {
        let code = PAGE.len() + STYLE.len() + SCRIPTS.iter().map(|script| script.len()).sum::<usize>();
        assert!(code <= 100_000, "{code} bytes");
    }

    #[test]
    fn the_page_loads_nothing() {
        let page = html(&Timeline::default(), "soup");
        for word in ["src=", "href=\"http", "import(", "import {", "fetch(", "new Worker", "XMLHttpRequest"] {
            assert!(!page.contains(word), "{word}");
        }
        assert_eq!(page.matches("</script>").count(), 3);
    }
}
