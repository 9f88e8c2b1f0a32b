//! Reading a file that may hold anything.

use super::{
    HEAD_BYTES, MAGIC, Problem, ProcessInfo, Recording, Role, Segment, VERSION,
    bytes::{Bytes, checksum},
    delta::{Context, EVENT_BYTES_MIN},
    tag,
};
use crate::{
    event::{Cause, Event, Kind},
    export::{Lane, Mode, ThreadTrace},
};
use brigade_handle::{Domain, Id};
use std::collections::BTreeMap;

/// The texts of sites and labels together take at most this many times the bytes of their segment: a file
/// could name one long text any number of times.
const TEXTS_PER_BYTE: usize = 64;

/// Decodes all segments of a file.
pub(super) fn recording(bytes: &[u8]) -> Recording {
    let mut recording = Recording::default();
    let mut at = 0;
    while at < bytes.len() {
        // A segment that was cut off ends where the next one begins, whatever length it claims.
        let next = find_magic(bytes, at + 1).unwrap_or(bytes.len());
        if bytes[at..].starts_with(MAGIC) {
            let mut reader = Reader { base: at, problems: &mut recording.problems, names: Names::default() };
            recording.segments.extend(reader.segment(&bytes[at..next]));
        } else if at == 0 && next == bytes.len() {
            let what = "this is not a recording of Brigade: no segment begins here or later".into();
            recording.problems.push(Problem { offset: 0, what });
        } else {
            let what = format!("{} bytes belong to no segment and are left out", next - at);
            recording.problems.push(Problem { offset: at, what });
        }
        at = next;
    }
    recording
}

fn find_magic(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(MAGIC.len()).position(|window| window == MAGIC).map(|at| from + at)
}

/// The meaning of numbers in the file.
struct Names {
    kinds: Vec<Option<Kind>>,
    causes: Vec<Cause>,
    domains: Vec<Domain>,
    /// The names of the kinds, for those that this reader does not know.
    texts: Vec<String>,
}

impl Default for Names {
    /// The meaning that they have today.
    fn default() -> Self {
        Self {
            kinds: Kind::ALL.iter().copied().map(Some).collect(),
            causes: Cause::ALL.to_vec(),
            domains: Domain::all().collect(),
            texts: Vec::new(),
        }
    }
}

impl Names {
    fn id(&self, bits: u64) -> Id {
        let domain = self.domains.get((bits >> 56) as usize).copied().unwrap_or(Domain::None);
        if domain == Domain::None { Id::NONE } else { Id::new(domain, bits) }
    }

    fn cause(&self, byte: u8) -> Cause {
        self.causes.get(usize::from(byte)).copied().unwrap_or(Cause::Unknown)
    }
}

/// The reading of one segment.
struct Reader<'a> {
    /// Where the segment begins in the file.
    base: usize,
    problems: &'a mut Vec<Problem>,
    names: Names,
}

impl Reader<'_> {
    fn problem(&mut self, offset: usize, what: impl Into<String>) {
        self.problems.push(Problem { offset: self.base + offset, what: what.into() });
    }

    /// Decodes a segment that ends where `bytes` do, or before.
    fn segment(&mut self, bytes: &[u8]) -> Option<Segment> {
        let mut rest = Bytes(&bytes[MAGIC.len()..]);
        let version = rest.take(2).and_then(|two| two.try_into().ok()).map(u16::from_le_bytes);
        let (Some(version), Some(length)) = (version, rest.word()) else {
            self.problem(0, "the file is cut off within the head of a segment");
            return None;
        };
        if version > VERSION {
            let what = format!(
                "a segment has version {version}, and this program reads up to {VERSION}: use a newer one"
            );
            self.problem(0, what);
            return None;
        }
        let there = rest.0.len();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if there < length {
            let what = format!("a segment is cut off: {there} of {length} bytes are there");
            self.problem(0, what);
        } else if there > length {
            let what = format!("{} bytes belong to no segment and are left out", there - length);
            self.problem(HEAD_BYTES + length, what);
        }
        Some(self.sections(&rest.0[..there.min(length)]))
    }

    fn sections(&mut self, bytes: &[u8]) -> Segment {
        let mut segment = Segment::default();
        let mut strings: Vec<&[u8]> = Vec::new();
        let mut budget = bytes.len().saturating_mul(TEXTS_PER_BYTE);
        let mut rest = Bytes(bytes);
        while !rest.0.is_empty() {
            let offset = HEAD_BYTES + bytes.len() - rest.0.len();
            let Some((tag, payload)) = self.section(&mut rest, offset) else { continue };
            let whole = match tag {
                tag::PROCESS => process(payload, &mut segment),
                tag::NAMES => self.names(payload),
                tag::STRINGS => all(payload, |bytes| bytes.text().map(|text| strings.push(text))),
                tag::SITES => all(payload, |bytes| {
                    let site = bytes.varint()?;
                    let text = shared(bytes, &strings, &mut budget)?;
                    segment.trace.sites.insert(site, text);
                    Some(())
                }),
                tag::LABELS => all(payload, |bytes| {
                    let id = id(bytes, &self.names)?;
                    let text = shared(bytes, &strings, &mut budget)?;
                    segment.trace.labels.insert(id, text);
                    Some(())
                }),
                tag::THREAD => self.thread(payload, offset).map(|thread| segment.trace.threads.push(thread)),
                _ => {
                    let what = format!(
                        "a section has the tag {tag}, which this program does not know, and is left out"
                    );
                    self.problem(offset, what);
                    Some(())
                }
            };
            if whole.is_none() {
                self.problem(offset, format!("a section with the tag {tag} ends too early"));
            }
        }
        segment
    }

    /// Splits off a section. A damaged section is left out; a section that is cut off shows its first events.
    fn section<'b>(&mut self, rest: &mut Bytes<'b>, offset: usize) -> Option<(u8, &'b [u8])> {
        let all = rest.0;
        let (tag, length) = (rest.byte()?, rest.count().unwrap_or(usize::MAX));
        let Some(payload) = rest.take(length) else {
            let payload = std::mem::take(&mut rest.0);
            self.problem(
                offset,
                format!("a section with the tag {tag} is cut off: {} bytes are there", all.len()),
            );
            return Some((tag, payload)).filter(|_| length != usize::MAX);
        };
        let sum = rest.take(4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
        if sum.is_none() {
            rest.0 = &[];
        }
        if sum.is_some_and(|sum| sum != checksum(payload)) {
            self.problem(
                offset,
                format!("a section with the tag {tag} is damaged and left out: {length} bytes"),
            );
            return None;
        }
        Some((tag, payload))
    }

    fn names(&mut self, payload: &[u8]) -> Option<()> {
        let mut bytes = Bytes(payload);
        let mut texts = || {
            let mut found = Vec::new();
            for _ in 0..bytes.count()? {
                found.push(String::from_utf8_lossy(bytes.text()?).into_owned());
            }
            Some(found)
        };
        let (kinds, causes, domains) = (texts()?, texts()?, texts()?);
        let known = |name: &String| Kind::ALL.iter().copied().find(|kind| kind.name() == name);
        self.names.kinds = kinds.iter().map(known).collect();
        self.names.texts = kinds;
        let known = |name: &String| Cause::ALL.iter().copied().find(|cause| cause.name() == name);
        self.names.causes = causes.iter().map(|name| known(name).unwrap_or(Cause::Unknown)).collect();
        let known = |name: &String| Domain::all().find(|domain| domain.name() == name);
        self.names.domains = domains.iter().map(|name| known(name).unwrap_or(Domain::None)).collect();
        Some(())
    }

    fn thread(&mut self, payload: &[u8], offset: usize) -> Option<ThreadTrace> {
        let mut bytes = Bytes(payload);
        let name = String::from_utf8_lossy(bytes.text()?).into_owned();
        let (tid, process) = (bytes.varint()?, bytes.varint()? as u32);
        let lane = Lane::ALL.get(usize::from(bytes.byte()?)).copied().unwrap_or_default();
        let id = id(&mut bytes, &self.names)?;
        let mode = Mode::ALL.get(usize::from(bytes.byte()?)).copied().unwrap_or_default();
        let (dropped, count) = (bytes.varint()?, bytes.count()?);
        let mut events = Vec::with_capacity(count.min(bytes.0.len() / EVENT_BYTES_MIN));
        let mut unknown: BTreeMap<u8, u64> = BTreeMap::new();
        let mut context = Context::new();
        for read in 0..count {
            let Some(numbers) = context.take(&mut bytes) else {
                self.problem(offset, format!("{} of {count} events of the thread {name} are there", read));
                break;
            };
            let Some(kind) = self.names.kinds.get(usize::from(numbers.kind)).copied().flatten() else {
                *unknown.entry(numbers.kind).or_default() += 1;
                continue;
            };
            let (subject, by) = (self.names.id(numbers.subject), self.names.id(numbers.by));
            let cause = self.names.cause(numbers.cause);
            events.push(Event { at: numbers.at, kind, subject, by, cause, detail: numbers.detail });
        }
        for (kind, count) in unknown {
            let kind = self
                .names
                .texts
                .get(usize::from(kind))
                .map_or(format!("number {kind}"), |name| format!("\"{name}\""));
            self.problem(
                offset,
                format!("{count} events are of a kind that this program does not know: {kind}"),
            );
        }
        Some(ThreadTrace { name, tid, process, lane, id, mode, events, dropped })
    }
}

/// Calls `take` as often as the count at the begin of `payload` says.
fn all<'a>(payload: &'a [u8], mut take: impl FnMut(&mut Bytes<'a>) -> Option<()>) -> Option<()> {
    let mut bytes = Bytes(payload);
    for _ in 0..bytes.count()? {
        take(&mut bytes)?;
    }
    Some(())
}

fn process(payload: &[u8], segment: &mut Segment) -> Option<()> {
    let mut bytes = Bytes(payload);
    let pid = bytes.varint()? as u32;
    let role = match bytes.byte()? {
        1 => Role::Child,
        2 => Role::Remote,
        _ => Role::Parent,
    };
    segment.trace.epoch.monotonic_nanos = bytes.word()?;
    segment.trace.epoch.unix_nanos = bytes.word()?;
    let host = String::from_utf8_lossy(bytes.text()?).into_owned();
    // Older recordings end here.
    let words = bytes.count().unwrap_or(0);
    let command =
        (0..words).map_while(|_| Some(String::from_utf8_lossy(bytes.text()?).into_owned())).collect();
    segment.process = ProcessInfo { pid, role, host, command };
    Some(())
}

fn id(bytes: &mut Bytes<'_>, names: &Names) -> Option<Id> {
    let domain = bytes.byte()?;
    Some(names.id(u64::from(domain) << 56 | bytes.varint()? & ((1 << 56) - 1)))
}

/// Reads the index of a string and copies the string.
fn shared(bytes: &mut Bytes<'_>, strings: &[&[u8]], budget: &mut usize) -> Option<String> {
    let raw = *strings.get(bytes.count()?)?;
    budget.checked_sub(raw.len())?;
    let text = String::from_utf8_lossy(raw).into_owned();
    // A byte that is not UTF-8 has become three. After the first text that is too long, no other is copied.
    let left = budget.checked_sub(text.len());
    *budget = left.unwrap_or(0);
    left.map(|_| text)
}
