//! The situations of the pool: each file is one, and each test is a sentence about it.
//!
//! They share one binary, because each binary holds a copy of the pool and takes time to link: `cargo test
//! -p brigade-pool --test situations join::` runs those of one file. The tests that need a process of their
//! own have a binary of their own (`pool/Cargo.toml`).
#![cfg(not(loom))]

mod blocking;
mod broadcast;
mod data;
mod end;
mod fifo;
mod join;
mod lazy;
mod lock;
mod map;
mod mutex;
mod panic_handler;
mod payloads;
mod queue;
mod scope;
mod seams;
mod spawn;
mod stats;
mod thread_end;
mod unwind_safe;
