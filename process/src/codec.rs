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

/// Appends the value's bytes to `out`.
pub(crate) fn encode<T: Serialize>(part: Part, value: &T, out: Vec<u8>) -> Result<Vec<u8>, String> {
    postcard::to_extend(value, out).map_err(|error| format!("the {} cannot be encoded: {error}", part.name()))
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
pub(crate) fn encode_argument<A: Serialize>(argument: &A) -> Result<Vec<u8>, JoinError> {
    // Unwind safe: after a panic neither the argument's bytes nor the argument is used again.
    match catch_unwind(AssertUnwindSafe(|| encode(Part::Argument, argument, Vec::new()))) {
        Ok(bytes) => bytes.map_err(|why| JoinError::Lost(Lost::Codec(why))),
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
