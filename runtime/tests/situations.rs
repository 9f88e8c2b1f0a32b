//! The situations of the runtime: each file is one, and each test is a sentence about it.
//!
//! They share one binary, because each binary holds a copy of the runtime and takes time to link: `cargo
//! test -p brigade-runtime --test situations clock::` runs those of one file. The tests that need a process
//! of their own have a binary of their own (`runtime/Cargo.toml`).
#![cfg(not(loom))]

#[cfg(target_os = "linux")]
mod abstract_addresses;
mod accepted;
mod after_panic;
mod async_fd;
mod attempts;
mod borrowing;
mod budget;
mod builder;
mod busy;
mod cancelling;
mod children;
mod clock;
mod common;
mod conversions;
mod copying;
mod datagrams;
mod ending;
mod executors;
mod files;
mod foreign;
mod generator;
mod groups;
mod handle;
mod hyper;
mod hyper_client;
mod late;
mod life;
mod limits;
mod local_ends;
mod payloads;
mod peers;
mod pipes;
mod pool_jobs;
mod retry;
mod scope;
mod several;
mod short;
mod shutdown;
mod signals;
mod sinks;
mod stdio;
mod sync;
mod tcp_echo;
mod timing;
mod unix;
mod unwind_safe;
mod waiters;
mod waking;
