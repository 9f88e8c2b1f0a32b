//! Values to bytes and back: postcard's format with sequences of numbers copied whole, and every failure
//! and every panic of a user's serde code turned into a text. A value that is too long for a frame is
//! refused here, where it is encoded, so that no channel has to refuse it.

#[allow(unsafe_code, reason = "knows a vector of numbers by its type's id, which serde does not pass on")]
mod bulk;
mod decode;
mod encode;
#[cfg(test)]
mod tests;

use self::{decode::ValueDecoder, encode::ValueEncoder};
use crate::wire::frame::MAX_PAYLOAD_BYTES;
use brigade_handle::{JoinError, Lost};
use postcard::ser_flavors::Flavor;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    borrow::Cow,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Which value an error's text is about.
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

/// The most bytes that an argument or result may have. The remainder of a frame's payload is for what
/// stands beside the value: the blocks that it names, or the records before it.
const MAX_VALUE_BYTES: usize = MAX_PAYLOAD_BYTES as usize - (1 << 20);

/// The end of a vector, to which postcard writes. The vector stays its owner's, whatever happens. Bytes
/// beyond the limit are counted and not kept.
struct Tail<'a> {
    out: &'a mut Vec<u8>,
    /// How long `out` may become.
    end: usize,
    /// How many bytes did not fit.
    excess: usize,
}

impl Tail<'_> {
    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        if bytes.len() <= self.end - self.out.len() {
            self.out.extend_from_slice(bytes);
        } else {
            self.excess += bytes.len();
        }
    }
}

impl Flavor for Tail<'_> {
    type Output = usize;

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        if self.out.len() < self.end {
            self.out.push(byte);
        } else {
            self.excess += 1;
        }
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.extend(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<usize> {
        Ok(self.excess)
    }
}

/// Appends the value's bytes to `out`. After an error or a panic there may be some more bytes, which mean
/// nothing.
pub(crate) fn encode<T: Serialize>(part: Part, value: &T, out: &mut Vec<u8>) -> Result<(), String> {
    encode_within(MAX_VALUE_BYTES, part, value, out)
}

fn encode_within<T: Serialize>(limit: usize, part: Part, value: &T, out: &mut Vec<u8>) -> Result<(), String> {
    let start = out.len();
    let mut encoder = ValueEncoder::new(Tail { end: start + limit, excess: 0, out });
    let encoded = value.serialize(&mut encoder);
    let Tail { excess, out, .. } = encoder.into_tail();
    match encoded {
        Ok(()) if excess == 0 => Ok(()),
        Ok(()) => {
            let length = out.len() - start + excess;
            out.truncate(start);
            out.shrink_to(0);
            Err(format!(
                "the {} has {length} bytes, and a message carries {limit} at most: pass a `Block`, or a part at a time",
                part.name()
            ))
        }
        Err(error) => Err(format!("the {} cannot be encoded: {error}", part.name())),
    }
}

/// Decodes the value; all of the bytes must be used.
pub(crate) fn decode<T: DeserializeOwned>(part: Part, bytes: &[u8]) -> Result<T, String> {
    let mut decoder = ValueDecoder::new(bytes);
    match (T::deserialize(&mut decoder), decoder.rest()) {
        (Ok(value), []) => Ok(value),
        (Ok(_), rest) => Err(format!("the {} has {} bytes too many", part.name(), rest.len())),
        (Err(error), _) => Err(format!("the {} cannot be decoded: {error}", part.name())),
    }
}

/// [`encode`] on the caller's thread: a panic in it belongs to the handle, not to the caller.
pub(crate) fn encode_argument<A: Serialize>(argument: &A, out: &mut Vec<u8>) -> Result<(), JoinError> {
    // Unwind safe: after a panic the argument is not used again, and the owner of `out` cuts it to the
    // length it had.
    match catch_unwind(AssertUnwindSafe(|| encode(Part::Argument, argument, out))) {
        Ok(encoded) => encoded.map_err(|why| JoinError::lost(Lost::Codec(why.into()))),
        Err(payload) => Err(JoinError::panicked(payload)),
    }
}

/// [`decode`] on the pool's own thread, which must survive whatever the user's code does.
pub(crate) fn decode_result<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, JoinError> {
    // Unwind safe: the bytes are only read.
    match catch_unwind(AssertUnwindSafe(|| decode(Part::Result, bytes))) {
        Ok(value) => value.map_err(|why| JoinError::lost(Lost::Codec(why.into()))),
        Err(payload) => Err(JoinError::panicked(payload)),
    }
}

/// The form of a sequence's elements, or of the bytes of a text. A sequence's opening tells it, since the
/// type that decodes it may be another than the type that was encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Form {
    /// One by one, each as it would be alone.
    Each = 0,
    /// Bytes as in memory.
    Bytes = 1,
    /// Numbers as in memory, behind their length in bytes.
    Numbers = 2,
    /// Bytes or numbers as in memory, in the block whose number follows, and then their length in bytes.
    InBlock = 3,
}

impl Form {
    const BITS: u32 = 2;
}

/// Why a value cannot be encoded or decoded.
#[derive(Debug)]
pub(crate) struct CodecError(Cow<'static, str>);

impl CodecError {
    const END: Self = Self(Cow::Borrowed("there are too few bytes"));
    const NO_FORM: Self =
        Self(Cow::Borrowed("a text or a string of bytes came as numbers of several bytes each"));
    const OTHER_LENGTH: Self = Self(Cow::Borrowed(
        "the numbers in it were encoded as numbers of another length: encode and decode the same types",
    ));
    const ENDLESS: Self = Self(Cow::Borrowed("it promises more elements without bytes than are believed"));
    const NO_NUMBER: Self = Self(Cow::Borrowed("a sequence of numbers came for one of something else"));
    const UNCOUNTED: Self = Self(Cow::Borrowed("it has a sequence or map that does not tell its length"));
    const SELF_DESCRIBING: Self = Self(Cow::Borrowed(
        "its type asks the bytes of what type they are, which they do not tell (`#[serde(untagged)]`, \
         `#[serde(flatten)]` and `serde_json::Value` do that)",
    ));
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CodecError {}

impl From<postcard::Error> for CodecError {
    #[cold]
    fn from(error: postcard::Error) -> Self {
        match error {
            postcard::Error::DeserializeUnexpectedEnd => Self::END,
            error => Self(error.to_string().into()),
        }
    }
}

impl serde::ser::Error for CodecError {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self(why.to_string().into())
    }
}

impl serde::de::Error for CodecError {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self(why.to_string().into())
    }
}
