//! The frame: a message between a pool and a worker, byte by byte.
//!
//! ```text
//!   0        4      5      6       8         16        24         32       40       48
//!   | magic  | kind | fds  | zero  | call    | name    | length   | head   | body   | payload …
//!   | "BRG1" | u8   | u8   | u16   | u64     | u64     | u64      | u64    | u64    | `length` bytes
//! ```
//!
//! All numbers are little-endian. `call` says which call the frame is about; `name` names the function of a
//! call (see `call/entry.rs`); `fds` counts the descriptors that were sent along. `head` is the hash of the
//! bytes 0 to 32, `body` that of the payload, seeded with `head`. The header has a hash of its own because
//! the decoder must trust its length before the payload is there: otherwise it would wait for a damaged
//! length, perhaps for ever.
//!
//! The hash is XXH64 (`image/xxh64.rs`). It finds damage, not malice: the handshake decides which peer may
//! speak at all.
//!
//! # The promises of the decoder
//!
//! Given any bytes, it answers with frames, with "more bytes, please" or with [`Malformed`], and
//! never panics. It holds only bytes that have really arrived: a length is a claim, and nothing is
//! allocated for a claim. A large payload arrives in memory of its own, which leaves with the frame: a
//! decoder keeps no more than a large payload begins with.

use crate::image::xxh64::{word, xxh64};
use std::fmt;

const MAGIC: u32 = u32::from_le_bytes(*b"BRG1");
const HASHED_BYTES: usize = 32;
/// The length of a header in bytes.
pub(crate) const HEADER_BYTES: usize = 48;
/// The longest payload that the decoder accepts, in bytes. Larger data travels beside the frame, in shared
/// memory.
pub(crate) const MAX_PAYLOAD_BYTES: u64 = 1 << 31;
/// A payload of more bytes than this is sent from where it lies, and arrives in memory of its own.
pub(crate) const LARGE_PAYLOAD_BYTES: usize = 64 << 10;

/// How many bytes an error's text shows if they are not a frame.
const SHOWN_BYTES: usize = 100;

/// The purpose of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Worker to pool, first of all: which build it is.
    Hello = 1,
    /// Pool to worker: run this function with this argument.
    Call = 2,
    /// Worker to pool: the call's result.
    Value = 3,
    /// Worker to pool: the call panicked; the payload is the message and the location.
    Panicked = 4,
    /// Worker to pool: the argument or the result could not be encoded or decoded; the payload is the
    /// reason.
    Failed = 5,
    /// Pool to worker: no more calls will come; end.
    Bye = 6,
    /// Worker to pool: the call begins now. Without this frame the call was not started, and another worker
    /// may have it.
    ///
    /// Of a batch each item is reported, by its number in `name`.
    Begun = 7,
    /// Pool to worker: run this function with each of these arguments (`call/batch.rs`).
    Batch = 8,
    /// Worker to pool: results of a batch, as records; over a socket one record a frame.
    Records = 9,
    /// Pool to worker: what to do before the first call (`wire/setup.rs`).
    Setup = 10,
    /// Worker to pool: set up, and ready for calls; the payload is empty, or says why there will be none.
    Ready = 11,
    /// Worker to pool: it ends by its own choice after its last answer; `name` says why.
    Leaving = 12,
    /// Pool to worker: answer the batch early, after the item that runs. Worker to pool: the answers so far
    /// are all.
    Stop = 13,
    /// A call whose argument names blocks that come along (`call/block/mod.rs`).
    BlockCall = 14,
    /// A result that names blocks.
    BlockValue = 15,
    /// Worker to pool: it cannot open the blocks that this call names, and wants their descriptors.
    Fetch = 16,
    /// Pool to worker: the descriptors come along; or the payload says why not.
    Attachments = 17,
}

const KINDS: [Kind; 17] = [
    Kind::Hello,
    Kind::Call,
    Kind::Value,
    Kind::Panicked,
    Kind::Failed,
    Kind::Bye,
    Kind::Begun,
    Kind::Batch,
    Kind::Records,
    Kind::Setup,
    Kind::Ready,
    Kind::Leaving,
    Kind::Stop,
    Kind::BlockCall,
    Kind::BlockValue,
    Kind::Fetch,
    Kind::Attachments,
];

impl Kind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        KINDS.into_iter().find(|&kind| kind as u8 == byte)
    }
}

/// One frame, checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) call: u64,
    pub(crate) name: u64,
    pub(crate) fds: u8,
    pub(crate) payload: Vec<u8>,
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    Magic(u32),
    Kind(u8),
    Header,
    Length(u64),
    Payload,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic(found) => {
                write!(f, "a frame begins with \"BRG1\", not with \"{}\"", found.to_le_bytes().escape_ascii())
            }
            Self::Kind(kind) => write!(f, "there is no frame of kind {kind}"),
            Self::Header => f.write_str("the header's checksum is wrong"),
            Self::Length(length) => write!(f, "a payload of {length} bytes is longer than any that is sent"),
            Self::Payload => f.write_str("the payload's checksum is wrong"),
        }
    }
}

/// Appends a frame to `out`.
pub(crate) fn encode(out: &mut Vec<u8>, kind: Kind, call: u64, name: u64, fds: u8, payload: &[u8]) {
    out.reserve(HEADER_BYTES + payload.len());
    encode_header(out, kind, call, name, fds, payload);
    out.extend_from_slice(payload);
}

/// Appends the frame's header to `out`. The caller sends the payload after it, which spares a large payload
/// a copy.
pub(crate) fn encode_header(out: &mut Vec<u8>, kind: Kind, call: u64, name: u64, fds: u8, payload: &[u8]) {
    debug_assert!(payload.len() as u64 <= MAX_PAYLOAD_BYTES, "what is longer is refused where it is encoded");
    let start = out.len();
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&[kind as u8, fds, 0, 0]);
    out.extend_from_slice(&call.to_le_bytes());
    out.extend_from_slice(&name.to_le_bytes());
    out.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    let head = xxh64(&out[start..start + HASHED_BYTES], 0);
    out.extend_from_slice(&head.to_le_bytes());
    out.extend_from_slice(&xxh64(payload, head).to_le_bytes());
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    bytes: Vec<u8>,
    /// How many of `bytes` have been given out as frames.
    taken: usize,
    /// The frame that arrives, if its payload is large. Then nothing in `bytes` is left.
    large: Option<Arriving>,
}

/// A frame whose payload has not arrived whole.
#[derive(Debug)]
struct Arriving {
    header: [u8; HEADER_BYTES],
    kind: Kind,
    length: usize,
    payload: Vec<u8>,
}

impl Decoder {
    /// Adds bytes that have arrived.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        if let Some(large) = &mut self.large {
            let left = large.length - large.payload.len();
            let (payload, rest) = bytes.split_at(left.min(bytes.len()));
            large.payload.extend_from_slice(payload);
            bytes = rest;
        }
        if self.taken == self.bytes.len() {
            self.bytes.clear();
            self.taken = 0;
        } else if self.taken > self.bytes.len() / 2 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The bytes that have come and were not given out, up to what an error shows.
    pub(crate) fn beginning(&self) -> &[u8] {
        let bytes = &self.bytes[self.taken..];
        &bytes[..bytes.len().min(SHOWN_BYTES)]
    }

    /// The next frame that has arrived whole. After an error the stream is lost: nobody knows where the
    /// next frame begins.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Malformed> {
        if let Some(large) = self.large.take() {
            return self.next_large(large);
        }
        let bytes = &self.bytes[self.taken..];
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            // Bytes that cannot become a header are an error at once: the rest may never come.
            return match bytes.first_chunk::<4>() {
                Some(magic) if u32::from_le_bytes(*magic) != MAGIC => {
                    Err(Malformed::Magic(u32::from_le_bytes(*magic)))
                }
                _ => Ok(None),
            };
        };
        let (kind, length) = check_header(header)?;
        let rest = &bytes[HEADER_BYTES..];
        if length > LARGE_PAYLOAD_BYTES {
            let payload = rest[..length.min(rest.len())].to_vec();
            let large = Arriving { header: *header, kind, length, payload };
            self.taken += HEADER_BYTES + large.payload.len();
            return self.next_large(large);
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let frame = frame(header, kind, payload.to_vec())?;
        self.taken += HEADER_BYTES + length;
        Ok(Some(frame))
    }

    fn next_large(&mut self, large: Arriving) -> Result<Option<Frame>, Malformed> {
        if large.payload.len() < large.length {
            self.large = Some(large);
            return Ok(None);
        }
        frame(&large.header, large.kind, large.payload).map(Some)
    }
}

/// The frame of a checked header and this payload.
fn frame(header: &[u8; HEADER_BYTES], kind: Kind, payload: Vec<u8>) -> Result<Frame, Malformed> {
    if xxh64(&payload, word(header, 32)) != word(header, 40) {
        return Err(Malformed::Payload);
    }
    Ok(Frame { kind, call: word(header, 8), name: word(header, 16), fds: header[5], payload })
}

fn check_header(header: &[u8; HEADER_BYTES]) -> Result<(Kind, usize), Malformed> {
    let magic = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    if magic != MAGIC {
        return Err(Malformed::Magic(magic));
    }
    if xxh64(&header[..HASHED_BYTES], 0) != word(header, 32) {
        return Err(Malformed::Header);
    }
    let kind = Kind::from_byte(header[4]).ok_or(Malformed::Kind(header[4]))?;
    let length = word(header, 24);
    match usize::try_from(length) {
        Ok(bytes) if length <= MAX_PAYLOAD_BYTES => Ok((kind, bytes)),
        _ => Err(Malformed::Length(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&mut bytes, Kind::Call, 7, 0xF00, 0, payload);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Option<Frame>, Malformed> {
        let mut decoder = Decoder::default();
        decoder.push(bytes);
        decoder.next()
    }

    #[test]
    fn frames_come_back_however_they_are_cut() {
        let mut bytes = framed(b"flour");
        bytes.extend(framed(b""));
        let mut decoder = Decoder::default();
        let mut frames = Vec::new();
        for byte in bytes {
            decoder.push(&[byte]);
            frames.extend(decoder.next().unwrap());
        }
        assert_eq!(frames.iter().map(|frame| &*frame.payload).collect::<Vec<_>>(), [&b"flour"[..], b""]);
        assert!(
            frames.iter().all(|frame| frame.call == 7 && frame.name == 0xF00 && frame.kind == Kind::Call)
        );
    }

    #[test]
    fn large_payloads_come_back_and_leave_no_memory_behind() {
        let large: Vec<u8> = (0..5 * LARGE_PAYLOAD_BYTES).map(|n| n as u8).collect();
        let mut bytes = framed(b"flour");
        bytes.extend(framed(&large));
        bytes.extend(framed(b"sugar"));
        bytes.extend(framed(&large[..=LARGE_PAYLOAD_BYTES]));
        bytes.extend(framed(&large[..LARGE_PAYLOAD_BYTES]));
        bytes.extend(framed(b""));
        for size in [7, HEADER_BYTES, 1000, LARGE_PAYLOAD_BYTES, bytes.len()] {
            let mut decoder = Decoder::default();
            let mut lengths = Vec::new();
            for piece in bytes.chunks(size) {
                decoder.push(piece);
                while let Some(frame) = decoder.next().unwrap() {
                    assert!(
                        [&b"flour"[..], b"sugar"].contains(&&*frame.payload)
                            || large.starts_with(&frame.payload)
                    );
                    lengths.push(frame.payload.len());
                }
            }
            assert_eq!(
                lengths,
                [5, large.len(), 5, LARGE_PAYLOAD_BYTES + 1, LARGE_PAYLOAD_BYTES, 0],
                "in pieces of {size}"
            );
            let kept = decoder.bytes.capacity();
            assert!(
                decoder.large.is_none() && kept <= (4 * LARGE_PAYLOAD_BYTES).max(2 * size),
                "{kept} bytes are kept"
            );
        }
    }

    #[test]
    fn a_damaged_large_payload_is_found() {
        let mut bytes = framed(&vec![7; 2 * LARGE_PAYLOAD_BYTES]);
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(decode(&bytes), Err(Malformed::Payload));
    }

    #[test]
    fn every_damaged_byte_is_found() {
        let good = framed(b"a cup of sugar and then some more of it");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(!matches!(decode(&bad), Ok(Some(_))), "byte {at} was damaged and nobody noticed");
        }
    }

    #[test]
    fn every_truncation_asks_for_more() {
        let good = framed(b"yeast");
        for length in 0..good.len() {
            assert_eq!(decode(&good[..length]), Ok(None));
        }
    }

    #[test]
    fn a_huge_length_is_refused_and_not_allocated() {
        for length in [MAX_PAYLOAD_BYTES + 1, 1 << 63, u64::MAX] {
            let mut bytes = framed(b"");
            bytes[24..32].copy_from_slice(&length.to_le_bytes());
            let head = xxh64(&bytes[..HASHED_BYTES], 0);
            bytes[32..40].copy_from_slice(&head.to_le_bytes());
            assert_eq!(decode(&bytes), Err(Malformed::Length(length)));
        }
    }
}
