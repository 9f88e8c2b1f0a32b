//! The end of a call: its worker's answer, or the reason for which there is none.

use super::{block::attachments::Origin, codec, panics};
use crate::{system::descriptors::PassedDescriptors, wire::frame};
use brigade_handle::{JoinError, Lost, RemotePanic};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The worker whose blocks an answer names. While a `Lender` lives, the blocks may not all have been
/// mapped, and the worker must live, too.
#[derive(Debug)]
pub(crate) struct Lender {
    origin: Origin,
    /// A clone of the lane's count of unmapped answers.
    _unmapped: Arc<()>,
}

impl Lender {
    pub(crate) fn new(origin: Origin, unmapped: Arc<()>) -> Self {
        Self { origin, _unmapped: unmapped }
    }
}

/// A value that names blocks.
#[derive(Debug)]
pub(crate) struct BlockValue {
    pub(crate) message: Vec<u8>,
    /// The blocks' descriptors, if they came along.
    pub(crate) along: Option<PassedDescriptors>,
    /// The sender, which the lane knows.
    pub(crate) lender: Option<Lender>,
}

impl BlockValue {
    /// Decodes the value with `f`. None if it is damaged.
    fn unpacking<R>(mut self, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let lender = self.lender.take()?;
        let (mut arrivals, value) = lender.origin.arrivals(&self.message)?;
        if self.along.is_some() {
            arrivals.take_over(self.along.take());
        }
        Some(arrivals.unpacking(|| f(value)))
    }
}

/// How a call ended, in the form in which the supervisor passes it on.
#[derive(Debug)]
pub(crate) enum Answer {
    Value(Vec<u8>),
    /// The answer to a batch: see `call/batch.rs`.
    Records(Vec<u8>),
    /// A value that names blocks.
    BlockValue(BlockValue),
    Panicked(panics::Report),
    Lost(Lost),
    Cancelled,
}

impl Answer {
    /// The answer in a frame, with the descriptors that came along.
    pub(crate) fn from_frame(
        kind: frame::Kind,
        payload: Vec<u8>,
        along: Option<PassedDescriptors>,
    ) -> Result<Self, String> {
        match (Self::from_parts(kind, payload)?, along) {
            (Self::BlockValue(loaded), along) => Ok(Self::BlockValue(BlockValue { along, ..loaded })),
            (answer, None) => Ok(answer),
            (_, Some(_)) => Err(format!("descriptors came along with an answer of kind {kind:?}")),
        }
    }

    /// The answer in a frame or slot of this kind.
    pub(crate) fn from_parts(kind: frame::Kind, payload: Vec<u8>) -> Result<Self, String> {
        match kind {
            frame::Kind::Value => Ok(Self::Value(payload)),
            frame::Kind::Records => Ok(Self::Records(payload)),
            frame::Kind::BlockValue => {
                Ok(Self::BlockValue(BlockValue { message: payload, along: None, lender: None }))
            }
            frame::Kind::Failed => Ok(Self::Lost(Lost::Codec(String::from_utf8_lossy(&payload).into()))),
            frame::Kind::Panicked => {
                let report = postcard::from_bytes(&payload);
                report.map(Self::Panicked).map_err(|error| format!("its report of a panic: {error}"))
            }
            other => Err(format!("a frame of kind {other:?} is no answer")),
        }
    }

    /// The length in bytes.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Value(bytes) | Self::Records(bytes) => bytes.len(),
            Self::BlockValue(loaded) => loaded.message.len(),
            Self::Panicked(_) | Self::Lost(_) | Self::Cancelled => 0,
        }
    }

    /// Releases the blocks of an answer that nobody wants.
    pub(crate) fn discard(self) {
        if let Self::BlockValue(loaded) = self {
            let _ = loaded.unpacking(|_| ());
        }
    }

    /// Makes the result for the handle. Runs the user's code and never panics.
    pub(crate) fn into_result<R: DeserializeOwned>(self) -> Result<R, JoinError> {
        match self {
            Self::Value(bytes) => codec::decode_result(&bytes),
            Self::Panicked(panics::Report { message, location }) => {
                Err(JoinError::panicked(Box::new(RemotePanic { message, location })))
            }
            Self::Lost(lost) => Err(JoinError::lost(lost)),
            Self::Cancelled => Err(JoinError::cancelled()),
            Self::BlockValue(loaded) => loaded.unpacking(codec::decode_result).unwrap_or_else(|| {
                Err(JoinError::lost(Lost::Protocol("a result with blocks is damaged".into())))
            }),
            Self::Records(_) => Err(JoinError::lost(Lost::Protocol("records answer a batch alone".into()))),
        }
    }
}
