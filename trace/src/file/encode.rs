//! Writing a segment.

use super::{
    HEAD_BYTES, MAGIC, ProcessInfo, VERSION,
    bytes::{checksum, put_text, put_varint},
    delta::{Context, Numbers},
    tag,
};
use crate::{
    event::{Cause, Kind},
    export::{ThreadTrace, Trace},
};
use brigade_handle::{Domain, Id};
use std::{
    collections::HashMap,
    io::{self, Write},
};

/// Writes the segment of a process.
pub(super) fn segment(process: &ProcessInfo, trace: &Trace, mut writer: impl Write) -> io::Result<()> {
    let mut out = Vec::with_capacity(HEAD_BYTES + 64);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    put_section(&mut out, tag::PROCESS, |out| put_process(out, process, trace));
    put_section(&mut out, tag::NAMES, put_names);
    put_strings(&mut out, trace);
    for thread in &trace.threads {
        put_section(&mut out, tag::THREAD, |out| put_thread(out, thread));
    }
    let length = (out.len() - HEAD_BYTES) as u64;
    out[HEAD_BYTES - 8..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
    writer.write_all(&out)?;
    writer.flush()
}

/// Appends a section with the payload that `fill` appends.
pub(super) fn put_section(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut payload = Vec::new();
    fill(&mut payload);
    out.push(tag);
    put_varint(out, payload.len() as u64);
    out.extend_from_slice(&payload);
    out.extend_from_slice(&checksum(&payload).to_le_bytes());
}

fn put_process(out: &mut Vec<u8>, process: &ProcessInfo, trace: &Trace) {
    put_varint(out, process.pid.into());
    out.push(process.role as u8);
    out.extend_from_slice(&trace.epoch.monotonic_nanos.to_le_bytes());
    out.extend_from_slice(&trace.epoch.unix_nanos.to_le_bytes());
    put_text(out, &process.host);
    put_varint(out, process.command.len() as u64);
    process.command.iter().for_each(|word| put_text(out, word));
}

fn put_names(out: &mut Vec<u8>) {
    let put_all = |out: &mut Vec<u8>, names: &[&str]| {
        put_varint(out, names.len() as u64);
        names.iter().for_each(|name| put_text(out, name));
    };
    put_all(out, &Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>());
    put_all(out, &Cause::ALL.iter().map(|cause| cause.name()).collect::<Vec<_>>());
    put_all(out, &Domain::all().map(Domain::name).collect::<Vec<_>>());
}

/// Texts that stand in the file once, by their numbers.
#[derive(Default)]
struct Strings {
    texts: Vec<String>,
    indices: HashMap<String, u64>,
}

impl Strings {
    fn index_of(&mut self, text: &str) -> u64 {
        if let Some(&index) = self.indices.get(text) {
            return index;
        }
        let index = self.texts.len() as u64;
        self.texts.push(cleaned(text));
        self.indices.insert(text.to_owned(), index);
        index
    }
}

/// A text that does not hold the magic, which starts a segment wherever it stands.
fn cleaned(text: &str) -> String {
    text.replace('\u{1}', " ")
}

/// Appends the pool of strings, and the sites and labels that refer to it.
fn put_strings(out: &mut Vec<u8>, trace: &Trace) {
    let mut strings = Strings::default();
    let sites: Vec<_> = trace.sites.iter().map(|(&site, text)| (site, strings.index_of(text))).collect();
    let mut labels: Vec<_> = trace.labels.iter().map(|(&id, text)| (id, text)).collect();
    labels.sort();
    let labels: Vec<_> = labels.into_iter().map(|(id, text)| (id, strings.index_of(text))).collect();
    put_section(out, tag::STRINGS, |out| {
        put_varint(out, strings.texts.len() as u64);
        strings.texts.iter().for_each(|text| put_text(out, text));
    });
    put_section(out, tag::SITES, |out| {
        put_varint(out, sites.len() as u64);
        sites.iter().flat_map(|&(site, index)| [site, index]).for_each(|number| put_varint(out, number));
    });
    put_section(out, tag::LABELS, |out| {
        put_varint(out, labels.len() as u64);
        for (id, index) in labels {
            put_id(out, id);
            put_varint(out, index);
        }
    });
}

fn put_id(out: &mut Vec<u8>, id: Id) {
    out.push(id.domain() as u8);
    put_varint(out, id.number());
}

fn put_thread(out: &mut Vec<u8>, thread: &ThreadTrace) {
    put_text(out, &cleaned(&thread.name));
    put_varint(out, thread.tid);
    put_varint(out, thread.process.into());
    out.push(thread.lane as u8);
    put_id(out, thread.id);
    out.push(thread.mode as u8);
    put_varint(out, thread.dropped);
    put_varint(out, thread.events.len() as u64);
    let mut context = Context::new();
    for event in &thread.events {
        let numbers = Numbers {
            at: event.at,
            kind: event.kind as u8,
            subject: event.subject.to_bits(),
            by: event.by.to_bits(),
            cause: event.cause as u8,
            detail: event.detail,
        };
        context.put(out, numbers);
    }
}
