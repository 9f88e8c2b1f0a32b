//! What becomes of a call: what its worker has answered, or why there is no answer.

use crate::{block::luggage, codec, frame, lane::Lender, panics};
use brigade_handle::{JoinError, Lost, RemotePanic};
use serde::de::DeserializeOwned;

/// How a call ended, as the supervisor hears of it.
#[derive(Debug)]
pub(crate) enum Answer {
    Value(Vec<u8>),
    /// Of a batch: see `batch.rs`.
    Records(Vec<u8>),
    /// A value that names blocks, and from where they come; the lane knows that.
    Loaded(Vec<u8>, Option<Lender>),
    Panicked(panics::Report),
    Lost(Lost),
    Cancelled,
}

impl Answer {
    /// The answer that a frame or slot of this kind carries.
    pub(crate) fn from_parts(kind: frame::Kind, payload: Vec<u8>) -> Result<Self, String> {
        match kind {
            frame::Kind::Value => Ok(Self::Value(payload)),
            frame::Kind::Records => Ok(Self::Records(payload)),
            frame::Kind::LoadedValue => Ok(Self::Loaded(payload, None)),
            frame::Kind::Failed => {
                Ok(Self::Lost(Lost::Codec(String::from_utf8_lossy(&payload).into_owned())))
            }
            frame::Kind::Panicked => {
                let report = postcard::from_bytes(&payload);
                report.map(Self::Panicked).map_err(|error| format!("its report of a panic: {error}"))
            }
            other => Err(format!("a frame of kind {other:?} is no answer")),
        }
    }

    /// How many bytes it has.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Value(bytes) | Self::Records(bytes) | Self::Loaded(bytes, _) => bytes.len(),
            Self::Panicked(_) | Self::Lost(_) | Self::Cancelled => 0,
        }
    }

    /// Lets the blocks go that nobody wants.
    pub(crate) fn discard(self) {
        if let Self::Loaded(message, Some(lender)) = self {
            let _ = lender.origin.unpacking(&message, |_| ());
        }
    }

    /// What the handle gives. Runs the user's code and never panics.
    pub(crate) fn into_result<R: DeserializeOwned>(self) -> Result<R, JoinError> {
        match self {
            Self::Value(bytes) => codec::decode_result(&bytes),
            Self::Panicked(panics::Report { message, location }) => {
                Err(JoinError::Panicked(Box::new(RemotePanic { message, location })))
            }
            Self::Lost(lost) => Err(JoinError::Lost(lost)),
            Self::Cancelled => Err(JoinError::Cancelled),
            Self::Loaded(message, lender) => {
                let decode = |lender: Lender| lender.origin.unpacking(&message, codec::decode_result);
                let decoded = lender.and_then(decode);
                if matches!(decoded, Some(Err(JoinError::Lost(Lost::Codec(_))))) && luggage::is_one_gone() {
                    let why = "the result's block is gone: its worker ended before the block was opened";
                    return Err(JoinError::Lost(Lost::Codec(why.into())));
                }
                let damaged =
                    || Err(JoinError::Lost(Lost::Protocol("a result with blocks is damaged".into())));
                decoded.unwrap_or_else(damaged)
            }
            Self::Records(_) => Err(JoinError::Lost(Lost::Protocol("records answer a batch alone".into()))),
        }
    }
}
