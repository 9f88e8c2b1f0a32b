//! Values to bytes and back: postcard, with every failure and every panic of a user's serde code turned
//! into a text. A value that is too long for a frame is refused here, where it is encoded, so that no
//! channel has to refuse it.

use crate::{call::block::attachments, wire::frame::MAX_PAYLOAD_BYTES};
use brigade_handle::{JoinError, Lost};
use postcard::ser_flavors::Flavor;
use serde::{Serialize, de::DeserializeOwned};
use std::panic::{AssertUnwindSafe, catch_unwind};

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
        if bytes.len() <= self.end - self.out.len() {
            self.out.extend_from_slice(bytes);
        } else {
            self.excess += bytes.len();
        }
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
    let tail = Tail { end: start + limit, excess: 0, out };
    match postcard::serialize_with_flavor(value, tail) {
        Ok(0) => Ok(()),
        Ok(excess) => {
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
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("the {} has {} bytes too many", part.name(), rest.len())),
        Err(error) => {
            // Postcard keeps no text of a type's own errors.
            let why =
                attachments::take_failure().map_or_else(|| error.to_string(), |failure| failure.to_string());
            Err(format!("the {} cannot be decoded: {why}", part.name()))
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_over_the_limit_is_refused_with_its_length() {
        let mut out = b"before".to_vec();
        for (value, fits) in [("x".repeat(98), true), ("x".repeat(99), true), ("x".repeat(100), false)] {
            out.truncate(6);
            assert_eq!(encode_within(100, Part::Result, &value, &mut out).is_ok(), fits);
        }
        let many = vec!["y".repeat(60); 50];
        let why = encode_within(100, Part::Argument, &many, &mut out).unwrap_err();
        let length = postcard::to_stdvec(&many).unwrap().len();
        assert!(why.contains("argument") && why.contains(&format!("{length} bytes")), "{why}");
        assert!(why.contains("100 at most"), "{why}");
        assert_eq!(out, b"before", "nothing of it is left");
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let mut out = Vec::new();
        assert!(
            encode_within(1000, Part::Result, &(vec![1_u8; 5000], vec![[7_u64; 30]; 500]), &mut out).is_err()
        );
        assert!(out.capacity() <= 2000, "{}", out.capacity());
    }
}
