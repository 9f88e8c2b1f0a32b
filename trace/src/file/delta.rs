//! Events as differences from the events before them on the same thread.

use super::bytes::{Bytes, put_difference};

/// An event as numbers. The names in the file give them their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) at: u64,
    pub(super) kind: u8,
    pub(super) subject: u64,
    pub(super) by: u64,
    pub(super) cause: u8,
    pub(super) detail: u64,
}

/// The least bytes that an event takes: kind, flags, time.
pub(super) const EVENT_BYTES_MIN: usize = 3;

// The fields of the flags.
const BY_SHIFT: u32 = 2;
const CAUSE: u8 = 1 << 4;
const DETAIL_SHIFT: u32 = 5;

// The subject's and the originator's codes.
const NONE: u8 = 0;
const PREVIOUS_SUBJECT: u8 = 1;
const PREVIOUS_BY: u8 = 2;
const WRITTEN: u8 = 3;

// The detail's codes: the first two are the detail itself.
const SAME_DETAIL: u8 = 2;

const DOMAIN_SHIFT: u32 = 56;
const NUMBER_MASK: u64 = (1 << DOMAIN_SHIFT) - 1;

/// The state that coder and decoder share: what the next event is likely to look like.
pub(super) struct Context {
    at: u64,
    subject: u64,
    by: u64,
    /// The last number of each domain.
    numbers: [u64; 256],
    /// The last detail of each kind.
    details: [u64; 256],
}

impl Context {
    pub(super) fn new() -> Self {
        Self { at: 0, subject: 0, by: 0, numbers: [0; 256], details: [0; 256] }
    }

    /// Appends an event.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, event: Numbers) {
        let (subject, by) = (self.code_of(event.subject), self.code_of(event.by));
        let last_detail = self.details[usize::from(event.kind)];
        let detail = match event.detail {
            0 | 1 => event.detail as u8,
            detail if detail == last_detail => SAME_DETAIL,
            _ => WRITTEN,
        };
        let cause = if event.cause == 0 { 0 } else { CAUSE };
        out.extend([event.kind, subject | by << BY_SHIFT | cause | detail << DETAIL_SHIFT]);
        put_difference(out, event.at, self.at);
        for (code, id) in [(subject, event.subject), (by, event.by)] {
            if code == WRITTEN {
                let domain = (id >> DOMAIN_SHIFT) as u8;
                let last = &mut self.numbers[usize::from(domain)];
                out.push(domain);
                put_difference(out, id & NUMBER_MASK, *last);
                *last = id & NUMBER_MASK;
            }
        }
        if event.cause != 0 {
            out.push(event.cause);
        }
        if detail == WRITTEN {
            put_difference(out, event.detail, last_detail);
        }
        self.remember(event);
    }

    /// Reads an event, or returns `None` if it is cut off.
    pub(super) fn take(&mut self, bytes: &mut Bytes<'_>) -> Option<Numbers> {
        let (kind, flags) = (bytes.byte()?, bytes.byte()?);
        let at = bytes.difference(self.at)?;
        let subject = self.id(flags & 3, bytes)?;
        let by = self.id(flags >> BY_SHIFT & 3, bytes)?;
        let cause = if flags & CAUSE == 0 { 0 } else { bytes.byte()? };
        let last_detail = self.details[usize::from(kind)];
        let detail = match flags >> DETAIL_SHIFT & 3 {
            SAME_DETAIL => last_detail,
            WRITTEN => bytes.difference(last_detail)?,
            detail => u64::from(detail),
        };
        let event = Numbers { at, kind, subject, by, cause, detail };
        self.remember(event);
        Some(event)
    }

    fn code_of(&self, id: u64) -> u8 {
        match id {
            0 => NONE,
            id if id == self.subject => PREVIOUS_SUBJECT,
            id if id == self.by => PREVIOUS_BY,
            _ => WRITTEN,
        }
    }

    fn id(&mut self, code: u8, bytes: &mut Bytes<'_>) -> Option<u64> {
        Some(match code {
            NONE => 0,
            PREVIOUS_SUBJECT => self.subject,
            PREVIOUS_BY => self.by,
            _ => {
                let domain = bytes.byte()?;
                let last = &mut self.numbers[usize::from(domain)];
                *last = bytes.difference(*last)? & NUMBER_MASK;
                u64::from(domain) << DOMAIN_SHIFT | *last
            }
        })
    }

    fn remember(&mut self, event: Numbers) {
        self.at = event.at;
        self.subject = event.subject;
        // Most originators stay for several events, of which some have none.
        if event.by != 0 {
            self.by = event.by;
        }
        self.details[usize::from(event.kind)] = event.detail;
    }
}
