//! Files that are whole, cut off, damaged, newer or nonsense.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use super::{HEAD_BYTES, MAGIC, Recording, hostile};
use crate::{Cause, Domain, Event, Id, Kind, ThreadTrace, Trace};
use std::fs;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/recording");

fn event(at: u64, kind: Kind, number: u64, cause: Cause, detail: u64) -> Event {
    Event { at, kind, subject: Id::new(Domain::Task, number), by: Id::new(Domain::Job, 3), cause, detail }
}

fn thread(name: &str, events: Vec<Event>) -> ThreadTrace {
    ThreadTrace { name: name.into(), events, dropped: 7, ..ThreadTrace::default() }
}

/// A trace with every kind and every cause, edges of every number, a site and two labels.
fn sample() -> Trace {
    let mut events = Vec::new();
    for (number, &kind) in (0..).zip(Kind::ALL) {
        for &cause in Cause::ALL {
            events.push(event(1000 * number, kind, number, cause, number % 4));
        }
    }
    events.push(event(u64::MAX, Kind::Cpu, (1 << 56) - 1, Cause::Unknown, (1 << 48) - 1));
    events.push(Event { subject: Id::NONE, by: Id::NONE, ..event(0, Kind::Park, 0, Cause::Unknown, 0) });
    let mut trace =
        Trace { threads: vec![thread("main", events), thread("", Vec::new())], ..Trace::default() };
    trace.labels.insert(Id::new(Domain::Task, 1), "Suppe, \u{1} heiß".into());
    trace.labels.insert(Id::new(Domain::Task, 2), "soup".into());
    trace.sites.insert(4, "soup.rs:1:2".into());
    trace.epoch.monotonic_nanos = 99;
    trace
}

fn file_of(trace: &Trace) -> Vec<u8> {
    let mut file = Vec::new();
    trace.write_to(&mut file).unwrap();
    file
}

/// The problems of a file as texts, and the number of events that are shown.
fn read(file: &[u8]) -> (Vec<String>, usize) {
    let recording = Recording::decode(file);
    let shown = recording.segments.iter().map(|segment| segment.trace.events().count()).sum();
    (recording.problems.iter().map(ToString::to_string).collect(), shown)
}

#[test]
fn a_trace_comes_back_from_its_file() {
    let trace = sample();
    let recording = Recording::read_from(&file_of(&trace)[..]).unwrap();
    assert_eq!(recording.problems, []);
    let [segment] = &recording.segments[..] else { panic!("one segment was written") };
    assert_eq!(segment.process.pid, std::process::id());
    let back = &segment.trace;
    assert_eq!((back.epoch, &back.sites), (trace.epoch, &trace.sites));
    assert_eq!(back.labels[&Id::new(Domain::Task, 1)], "Suppe,   heiß");
    assert_eq!(back.threads.len(), 2);
    for (old, new) in trace.threads.iter().zip(&back.threads) {
        assert_eq!((&old.name, &old.events, old.dropped), (&new.name, &new.events, new.dropped));
    }
}

#[test]
fn segments_are_concatenated_and_one_that_is_cut_off_hides_none() {
    let file = file_of(&sample());
    let events = sample().events().count();
    assert_eq!(read(&[&file[..], &file[..]].concat()), (vec![], 2 * events));
    let (problems, shown) = read(&[&file[..file.len() - 10], &file[..]].concat());
    assert!(problems[0].contains("cut off"), "{problems:?}");
    assert!(shown >= 2 * events - 4, "{shown} of {events} twice");
}

#[test]
fn a_file_cut_anywhere_shows_the_events_before_the_cut() {
    let file = file_of(&sample());
    let mut before = 0;
    for length in 1..file.len() {
        let (problems, shown) = read(&file[..length]);
        assert!(!problems.is_empty(), "{length} of {} bytes", file.len());
        assert!(shown >= before, "{length} bytes show {shown} events, one less showed {before}");
        before = shown;
    }
    assert_eq!(before, sample().events().count());
}

#[test]
fn every_changed_byte_is_noticed() {
    let file = file_of(&sample());
    for at in 0..file.len() {
        let mut file = file.clone();
        file[at] ^= 0x40;
        let (problems, _) = read(&file);
        assert!(!problems.is_empty(), "byte {at}");
    }
}

#[test]
fn a_later_version_is_said_and_skipped() {
    let mut file = file_of(&sample());
    file[MAGIC.len()] = 2;
    let (problems, shown) = read(&[&file[..], &file_of(&sample())].concat());
    assert_eq!(shown, sample().events().count());
    assert_eq!(
        problems,
        ["at byte 0: a segment has version 2, and this program reads up to 1: use a newer one"]
    );
    let error = Recording::read_from(&file[..]).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[test]
fn a_kind_from_the_future_is_named_and_the_others_are_shown() {
    // The kinds are `spawn` and `nap`, and there is one event of each; causes and domains have no names.
    let names = [&[super::tag::NAMES, 7, 2, 5][..], b"spawn\x03nap\0\0\0"].concat();
    let thread =
        [&[super::tag::THREAD, 8][..], b"\x01T\0\0\0\0\0\0\0\x02", b"\0\0\x02", b"\x01\0\x02"].concat();
    let (problems, shown) = read(&hostile::crafted(&[names, thread].concat()));
    assert_eq!(shown, 1, "{problems:?}");
    assert!(problems.len() == 1 && problems[0].contains("1 events are of a kind"), "{problems:?}");
    assert!(problems[0].contains("\"nap\""), "{problems:?}");
}

/// Checks that a file with one text of 496 such bytes and 169 labels that name it gives bounded texts.
fn assert_bounded_texts_of(byte: u8) {
    let mut payload = vec![super::tag::STRINGS, 255, 1, 0xF0, 3];
    payload.resize(2 + 510, byte);
    let mut labels = vec![super::tag::LABELS, 255, 0xFF, 1];
    (0..169).for_each(|number| labels.extend([1, number as u8 & 0x7F, 0]));
    labels.resize(2 + 510, 0);
    let file = hostile::crafted(&[payload, labels].concat());
    let recording = Recording::decode(&file);
    let texts: usize = recording.segments[0].trace.labels.values().map(String::len).sum();
    assert!(texts > 0 && texts <= 64 * file.len(), "{texts} bytes of text from {} of file", file.len());
}

#[test]
fn one_long_text_is_not_copied_without_bound() {
    assert_bounded_texts_of(b'x');
}

#[test]
fn bytes_that_are_no_text_are_counted_as_what_they_become() {
    assert_bounded_texts_of(0xFF);
}

#[test]
fn counts_of_missing_events_do_not_overflow() {
    let mut trace = sample();
    trace.threads.iter_mut().for_each(|thread| thread.dropped = u64::MAX - 1);
    assert_eq!(trace.dropped(), u64::MAX);
    assert!(trace.to_string().contains("later events are missing"));
    let file = file_of(&trace);
    assert_eq!(Recording::decode(&[&file[..], &file[..]].concat()).dropped(), u64::MAX);
}

#[test]
fn nonsense_is_an_error_with_one_clear_line() {
    for nonsense in [&b"soup"[..], &[0; 100], b"BRIGADE\x02"] {
        let error = Recording::read_from(nonsense).unwrap_err();
        assert!(error.to_string().contains("not a recording of Brigade"), "{error}");
    }
    assert_eq!(Recording::read_from(&b""[..]).unwrap_err().to_string(), "the file is empty");
    assert!(Recording::read_from(&MAGIC[..]).unwrap_err().to_string().contains("cut off"));
}

#[test]
fn the_corpus_and_its_mutations_are_swallowed() {
    let mut seeds: Vec<Vec<u8>> =
        fs::read_dir(CORPUS).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(seeds.len() > 5, "the corpus is there");
    seeds.push(file_of(&sample()));
    seeds.iter().for_each(|bytes| hostile::swallow(bytes));
    let mut dice = 0x9E37_79B9_7F4A_7C15_u64;
    let mut roll = |sides: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice as usize % sides.max(1)
    };
    for _ in 0..2000 {
        let mut bytes = seeds[roll(seeds.len())].clone();
        for _ in 0..=roll(4) {
            let at = roll(bytes.len());
            match roll(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at.min(bytes.len()), roll(256) as u8),
                2 if at < bytes.len() => bytes[at] = roll(256) as u8,
                _ => bytes.extend_from_slice(&seeds[0][..seeds[0].len().min(HEAD_BYTES + roll(40))]),
            }
        }
        hostile::swallow(&bytes);
    }
}
