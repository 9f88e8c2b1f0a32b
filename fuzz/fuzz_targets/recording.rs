//! Any bytes, as a file of a recording.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| brigade_trace::hostile::swallow(bytes));
