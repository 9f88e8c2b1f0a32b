//! Any bytes, as everything that a pool or a worker may receive.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| brigade_process::hostile::swallow(bytes));
