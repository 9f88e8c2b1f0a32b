//! Damaged recordings: every view and every explanation bears them. The files in `damaged/` are real
//! recordings with bytes that were changed by chance, whose checksums are right again.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_timeline::{Edit, Timeline, diff, html, lanes, page, perfetto, svg, text, what_if, why};
use brigade_trace::{Recording, ThreadTrace, Trace};

const FILES: [&[u8]; 3] = [
    // A cycle of holders of a resource without an id.
    include_bytes!("damaged/crash49.brigade"),
    // Runs of one thread that overlap, and records of its CPU time that are not in order.
    include_bytes!("damaged/crash8.brigade"),
    include_bytes!("damaged/crash32.brigade"),
];

/// Makes all there is of a recording. None of them panics.
fn show_all(recording: &Recording) {
    let timeline = Timeline::of(recording);
    let _ = (text(&timeline, 80), lanes(&timeline, 40), html(&timeline, "a"), page(recording, "a"));
    let _ = (svg(&timeline, "a"), perfetto(&timeline));
    let edits = [Edit::Workers(1), Edit::Workers(3), Edit::WithoutLock("knife".into())];
    let edits = edits.into_iter().chain(Edit::faster("a.rs:1×2"));
    let _ = what_if(recording, &edits.collect::<Vec<_>>(), 2);
    for unit in timeline.units.iter().take(50) {
        let _ = why(recording, Some(&unit.id.to_string())).map(|explanation| explanation.text(80));
    }
    if let Ok(explanation) = why(recording, None) {
        let _ = (explanation.text(40), diff(&explanation, &explanation).text(80));
    }
}

#[test]
fn damaged_recordings_are_shown_and_explained_as_far_as_they_go() {
    for file in FILES {
        show_all(&Recording::read_from(file).unwrap());
        // A part of the file, for each place at which it may have been cut.
        for length in (0..file.len()).step_by(file.len() / 16) {
            if let Ok(recording) = Recording::read_from(&file[..length]) {
                show_all(&recording);
            }
        }
    }
}

#[test]
fn a_recording_without_events_says_why_it_has_none() {
    let threads = vec![ThreadTrace { name: "main".into(), dropped: 7, ..ThreadTrace::default() }];
    let recording = Recording::from(Trace { threads, ..Trace::default() });
    let shown = text(&Timeline::of(&recording), 80);
    assert!(shown.starts_with("7 events of the thread main are missing"), "{shown}");
    assert!(shown.ends_with("The recording holds no events.\n"), "{shown}");
}
