//! The situations of a handle: each file is one, and each test is a sentence about it.
#![cfg(not(loom))]

mod join_handle;
mod unwind_safe;
mod wait_for;
