//! The pictures of the documents are those that their recordings give.

// A test fails by panicking, and so do the functions that it calls.
#![allow(clippy::unwrap_used)]

use brigade_demos::pictures::{
    ALL,
    predictions::{self, CASES},
};
use brigade_trace::Recording;
use std::fs;

const REMEDY: &str = "run `cargo run -p brigade-demos --bin pictures`";

/// The most bytes of a page of the gallery.
const PAGE_BYTES_MAX: usize = 300_000;

#[test]
fn the_pictures_are_current() {
    for picture in ALL {
        let recording = picture.read().unwrap();
        for (path, content) in picture.files(&recording) {
            if path.extension().is_some_and(|ending| ending == "svg") {
                let shown = fs::read_to_string(&path).unwrap_or_default();
                assert!(shown == content, "{} is not what its recording gives: {REMEDY}", path.display());
            }
        }
    }
}

#[test]
fn the_gallery_has_five_pages_that_need_nothing_else() {
    let gallery = ALL.iter().filter(|picture| picture.is_in_gallery);
    let mut pages = 0;
    for picture in gallery {
        let files = picture.files(&picture.read().unwrap());
        let (path, content) = files.last().unwrap();
        let page = fs::read_to_string(path).unwrap();
        assert!(page.len() <= PAGE_BYTES_MAX, "{} has {} bytes", path.display(), page.len());
        assert!(&page == content, "{} is not what its recording gives: {REMEDY}", path.display());
        for word in ["src=", "href=\"http", "fetch(", "import("] {
            assert!(!page.contains(word), "{} loads something: {word}", path.display());
        }
        pages += 1;
    }
    assert_eq!(pages, 5);
}

/// The figures in the documents are those of two recordings: one that the prediction is made from, and one of
/// the run with the change, by the command that `what-if` runs.
#[test]
fn the_predictions_hold_and_the_documents_show_them() {
    for case in CASES {
        let [before, after] = case.read().unwrap();
        let command = |recording: &Recording| recording.segments[0].process.command.clone();
        assert_eq!(command(&before), case.command);
        assert_eq!(command(&after), case.changed(&before).unwrap(), "{}", case.name);
        let figures = case.figures().unwrap();
        assert!((figures.least..=figures.most).contains(&figures.measured), "{}: {figures:?}", case.name);
    }
    for (path, content) in predictions::documents().unwrap() {
        let shown = fs::read_to_string(&path).unwrap();
        assert!(shown == content, "{} shows other figures: {REMEDY}", path.display());
    }
}

#[test]
fn the_poster_shows_each_step_of_a_life() {
    let hello = ALL.iter().find(|picture| picture.name == "hello").unwrap();
    let files = hello.files(&hello.read().unwrap());
    let poster = &files.iter().find(|(path, _)| path.ends_with("life-of-a-future.svg")).unwrap().1;
    for step in ["Spawned", "Polled for the first time", "Sets a timer", "Suspended", "The thread sleeps"]
        .into_iter()
        .chain(["Woken by its timer", "Polled again", "Complete", "Joined"])
    {
        assert!(poster.contains(&format!(">{step}")), "{step} is missing");
    }
}
