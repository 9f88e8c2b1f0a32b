//! The head of a slot: what the slot stands for, and where its payload is.

use super::{INLINE_BYTES, WIDE_BYTES, WIDE_PLACES};

/// Where a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the slot.
    Inline,
    /// In the wide place with this number.
    Wide(u8),
    /// In a frame with the call's number, on the socket.
    Stream,
}

/// A slot's words 1 and 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The kind of frame that the slot stands for.
    pub kind: u8,
    /// Where the payload is.
    pub place: Place,
    /// The payload's length in bytes.
    pub length: usize,
    /// The function's name.
    pub name: u64,
}

const STREAM: u8 = u8::MAX;

impl Head {
    pub(super) fn words(self) -> [u64; 2] {
        let place = match self.place {
            Place::Inline => 0,
            Place::Wide(place) => place + 1,
            Place::Stream => STREAM,
        };
        [(self.length as u64) << 16 | u64::from(place) << 8 | u64::from(self.kind), self.name]
    }

    /// None if neither of our sides has written this.
    pub(super) fn from_words([word, name]: [u64; 2]) -> Option<Self> {
        let length = usize::try_from(word >> 16).ok()?;
        let place = match (word >> 8) as u8 {
            0 if length <= INLINE_BYTES => Place::Inline,
            STREAM => Place::Stream,
            place if (1..=WIDE_PLACES).contains(&place) && length <= WIDE_BYTES => Place::Wide(place - 1),
            _ => return None,
        };
        Some(Self { kind: word as u8, place, length, name })
    }
}

/// A hash of a head's words and its call's number.
pub(super) fn seal([one, two]: [u64; 2], number: u64) -> u64 {
    (one ^ number.rotate_left(32)).wrapping_mul(0x9E37_79B1_85EB_CA87)
        ^ two.wrapping_mul(0xC2B2_AE3D_27D4_EB4F)
}
