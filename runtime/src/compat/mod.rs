//! Adapters to other crates: the I/O traits of hyper and tokio.

#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "hyper-client")]
mod hyper_client;
#[cfg(feature = "tokio-io")]
pub mod tokio_io;
