//! The frame: what travels between a pool and its workers, byte by byte.
//!
//! ```text
//!   0        4      5      6       8         16        24         32       40       48
//!   | magic  | kind | fds  | zero  | call    | name    | length   | head   | body   | payload …
//!   | "BRG1" | u8   | u8   | u16   | u64     | u64     | u64      | u64    | u64    | `length` bytes
//! ```
//!
//! All numbers are little-endian. `call` says which call it is about; `name` names the function of a call (see
//! `entry.rs`); `fds` counts the descriptors that were sent along. `head` is the hash of the bytes 0 to 32, `body` that
//! of the payload, seeded with `head`. The header has a hash of its own because its length must be believed before
//! the payload is there: a damaged length would else be waited for, perhaps for ever.
//!
//! The hash is XXH64 (Yann Collet's xxHash, 2012): it reads 32 bytes in four independent multiplications, so that it costs
//! less than the copy into the socket, and it stands here in 50 lines. It finds damage, not malice: who may speak at all
//! is the handshake's affair.
//!
//! # What the decoder promises
//!
//! Whatever bytes it is given, it answers with frames, with "more bytes, please" or with [`Malformed`], and never panics.
//! It holds only bytes that have really arrived; a length is a claim, and nothing is allocated for a claim.

use std::fmt;

const MAGIC: u32 = u32::from_le_bytes(*b"BRG1");
const HASHED: usize = 32;
/// How long a header is.
pub(crate) const HEADER: usize = 48;
/// The longest payload that is believed. Larger data travels beside the frame, in shared memory.
pub(crate) const MAX_PAYLOAD: u64 = 1 << 31;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Worker to pool, first of all: which build it is, and the token it was given.
    Hello = 1,
    /// Pool to worker: run this function with this argument.
    Call = 2,
    /// Worker to pool: the call's result.
    Value = 3,
    /// Worker to pool: the call panicked; the payload is the message and the location.
    Panicked = 4,
    /// Worker to pool: the argument or the result could not be encoded or decoded; the payload is the reason.
    Failed = 5,
    /// Pool to worker: no more calls will come; end.
    Bye = 6,
    /// Worker to pool: the call begins now. Without it the call was not started, and another worker may have it.
    ///
    /// Of a batch each item is told, by its number in `name`.
    Begun = 7,
    /// Pool to worker: run this function with each of these arguments (`batch.rs`).
    Batch = 8,
    /// Worker to pool: results of a batch, as records; over a socket one record a frame.
    Records = 9,
    /// Pool to worker: what to do before the first call (`setup.rs`).
    Setup = 10,
    /// Worker to pool: set up, and ready for calls; the payload is empty, or says why there will be none.
    Ready = 11,
    /// Worker to pool: it ends by its own choice after what it has answered; `name` says why.
    Leaving = 12,
    /// Pool to worker: answer the batch early, after the item that runs. Worker to pool: what was answered is all.
    Stop = 13,
    /// A call whose argument names blocks that come along (`block.rs`).
    Loaded = 14,
    /// A result that does.
    LoadedValue = 15,
}

const KINDS: [Kind; 15] = [
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
    Kind::Loaded,
    Kind::LoadedValue,
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
                write!(f, "a frame begins with \"BRG1\", not with {:?}", found.to_le_bytes())
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
    let start = out.len();
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&[kind as u8, fds, 0, 0]);
    out.extend_from_slice(&call.to_le_bytes());
    out.extend_from_slice(&name.to_le_bytes());
    out.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    let head = xxh64(&out[start..start + HASHED], 0);
    out.extend_from_slice(&head.to_le_bytes());
    out.extend_from_slice(&xxh64(payload, head).to_le_bytes());
    out.extend_from_slice(payload);
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    bytes: Vec<u8>,
    /// How many of `bytes` have been given out as frames.
    taken: usize,
}

impl Decoder {
    /// Adds bytes that have arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.taken == self.bytes.len() {
            self.bytes.clear();
            self.taken = 0;
        } else if self.taken > self.bytes.len() / 2 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame that is there whole. After an error the stream is lost: nobody knows where the next frame begins.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Malformed> {
        let bytes = &self.bytes[self.taken..];
        let Some(header) = bytes.first_chunk::<HEADER>() else {
            // What cannot become a header is told at once: the rest may never come.
            return match bytes.first_chunk::<4>() {
                Some(magic) if u32::from_le_bytes(*magic) != MAGIC => {
                    Err(Malformed::Magic(u32::from_le_bytes(*magic)))
                }
                _ => Ok(None),
            };
        };
        let (kind, length) = check_header(header)?;
        let Some(payload) = bytes.get(HEADER..).and_then(|rest| rest.get(..length)) else { return Ok(None) };
        if xxh64(payload, word(header, 32)) != word(header, 40) {
            return Err(Malformed::Payload);
        }
        let frame = Frame {
            kind,
            call: word(header, 8),
            name: word(header, 16),
            fds: header[5],
            payload: payload.to_vec(),
        };
        self.taken += HEADER + length;
        Ok(Some(frame))
    }
}

fn check_header(header: &[u8; HEADER]) -> Result<(Kind, usize), Malformed> {
    let magic = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    if magic != MAGIC {
        return Err(Malformed::Magic(magic));
    }
    if xxh64(&header[..HASHED], 0) != word(header, 32) {
        return Err(Malformed::Header);
    }
    let kind = Kind::from_byte(header[4]).ok_or(Malformed::Kind(header[4]))?;
    let length = word(header, 24);
    match usize::try_from(length) {
        Ok(bytes) if length <= MAX_PAYLOAD => Ok((kind, bytes)),
        _ => Err(Malformed::Length(length)),
    }
}

/// The little-endian word that begins at `at`.
fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes[at..].first_chunk().expect("the caller asks for words that are there");
    u64::from_le_bytes(*word)
}

const P1: u64 = 0x9E37_79B1_85EB_CA87;
const P2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const P3: u64 = 0x1656_67B1_9E37_79F9;
const P4: u64 = 0x85EB_CA77_C2B2_AE63;
const P5: u64 = 0x27D4_EB2F_1656_67C5;

fn round(lane: u64, input: u64) -> u64 {
    lane.wrapping_add(input.wrapping_mul(P2)).rotate_left(31).wrapping_mul(P1)
}

/// The 64-bit xxHash of `bytes`.
pub(crate) fn xxh64(bytes: &[u8], seed: u64) -> u64 {
    let (stripes, rest) = bytes.as_chunks::<32>();
    let mut hash = if stripes.is_empty() {
        seed.wrapping_add(P5)
    } else {
        let mut lanes =
            [seed.wrapping_add(P1).wrapping_add(P2), seed.wrapping_add(P2), seed, seed.wrapping_sub(P1)];
        for stripe in stripes {
            for (at, lane) in lanes.iter_mut().enumerate() {
                *lane = round(*lane, word(stripe, at * 8));
            }
        }
        let turns = [1, 7, 12, 18];
        let sum =
            lanes.iter().zip(turns).fold(0u64, |sum, (lane, turn)| sum.wrapping_add(lane.rotate_left(turn)));
        lanes.iter().fold(sum, |hash, &lane| (hash ^ round(0, lane)).wrapping_mul(P1).wrapping_add(P4))
    };
    hash = hash.wrapping_add(bytes.len() as u64);
    let (words, rest) = rest.as_chunks::<8>();
    for bytes in words {
        hash ^= round(0, u64::from_le_bytes(*bytes));
        hash = hash.rotate_left(27).wrapping_mul(P1).wrapping_add(P4);
    }
    let (halves, rest) = rest.as_chunks::<4>();
    for bytes in halves {
        hash ^= u64::from(u32::from_le_bytes(*bytes)).wrapping_mul(P1);
        hash = hash.rotate_left(23).wrapping_mul(P2).wrapping_add(P3);
    }
    for &byte in rest {
        hash ^= u64::from(byte).wrapping_mul(P5);
        hash = hash.rotate_left(11).wrapping_mul(P1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(P2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(P3);
    hash ^ (hash >> 32)
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
    fn the_hash_is_xxh64() {
        assert_eq!(xxh64(b"", 0), 0xEF46_DB37_51D8_E999);
        assert_eq!(xxh64(b"abc", 0), 0x44BC_2CF5_AD77_0999);
        assert_eq!(xxh64(b"Nobody inspects the spammish repetition", 0), 0xFBCE_A83C_8A37_8BF1);
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
        for length in [MAX_PAYLOAD + 1, 1 << 63, u64::MAX] {
            let mut bytes = framed(b"");
            bytes[24..32].copy_from_slice(&length.to_le_bytes());
            let head = xxh64(&bytes[..HASHED], 0);
            bytes[32..40].copy_from_slice(&head.to_le_bytes());
            assert_eq!(decode(&bytes), Err(Malformed::Length(length)));
        }
    }
}
