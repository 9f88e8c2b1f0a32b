//! Values to bytes and back: postcard, with every failure and every panic of a user's serde code turned into a text.

use brigade_handle::{JoinError, Lost};
use serde::{Serialize, de::DeserializeOwned};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Which value it is about, for the text of an error.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Argument,
    Result,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Argument => "argument",
            Self::Result => "result",
        }
    }
}

/// What postcard writes to: the end of a vector that stays its owner's, whatever happens.
struct Tail<'a>(&'a mut Vec<u8>);

impl Extend<u8> for Tail<'_> {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        self.0.extend(bytes);
    }
}

/// Appends the value's bytes to `out`. After an error or a panic there may be some bytes more, which mean nothing.
pub(crate) fn encode<T: Serialize>(part: Part, value: &T, out: &mut Vec<u8>) -> Result<(), String> {
    let encoded = postcard::to_extend(value, Tail(out));
    encoded.map(drop).map_err(|error| format!("the {} cannot be encoded: {error}", part.name()))
}

/// The value that the bytes stand for; all of them must be used.
pub(crate) fn decode<T: DeserializeOwned>(part: Part, bytes: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("the {} has {} bytes too many", part.name(), rest.len())),
        Err(error) => Err(format!("the {} cannot be decoded: {error}", part.name())),
    }
}

/// [`encode`] on the caller's thread: a panic in there belongs to the handle, not to the caller.
pub(crate) fn encode_argument<A: Serialize>(argument: &A, out: &mut Vec<u8>) -> Result<(), JoinError> {
    // Unwind safe: after a panic the argument is not used again, and the owner of `out` cuts it to the length it had.
    match catch_unwind(AssertUnwindSafe(|| encode(Part::Argument, argument, out))) {
        Ok(encoded) => encoded.map_err(|why| JoinError::Lost(Lost::Codec(why))),
        Err(payload) => Err(JoinError::Panicked(payload)),
    }
}

/// [`decode`] on the pool's own thread, which must survive whatever the user's code does.
pub(crate) fn decode_result<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, JoinError> {
    // Unwind safe: the bytes are only read.
    match catch_unwind(AssertUnwindSafe(|| decode(Part::Result, bytes))) {
        Ok(value) => value.map_err(|why| JoinError::Lost(Lost::Codec(why))),
        Err(payload) => Err(JoinError::Panicked(payload)),
    }
}
