//! The tests of framing, without any child.

use super::{Garbage, ProcessPool};
use crate::{Case, log::demand};

/// Bytes by chance.
fn bytes(case: &mut Case, length: u64) -> Vec<u8> {
    (0..length).map(|_| case.number(0, 255) as u8).collect()
}

/// Feeds the decoder pieces, and collects the messages.
fn decode_all<S: ProcessPool>(pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, Garbage> {
    let (mut buffer, mut messages) = (Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(message) = S::decode(&mut buffer)? {
            messages.push(message);
        }
    }
    Ok(messages)
}

/// Frames come back, however they are cut, and several at once.
pub(super) fn frames<S: ProcessPool>(case: &mut Case) {
    let lengths = [0, 1, case.number(2, 300), case.number(2, 300)];
    let messages = lengths.map(|length| bytes(case, length));
    let all: Vec<u8> = messages.iter().flat_map(|message| S::encode(message)).collect();
    for cut in 0..=all.len() {
        let got = decode_all::<S>(&[&all[..cut], &all[cut..]]);
        demand(got.as_deref() == Ok(&messages[..]), "frame", "frames come back however they are cut", || {
            format!("cut after byte {cut} of {}, other messages come out", all.len())
        });
    }
    let single: Vec<&[u8]> = all.chunks(1).collect();
    demand(
        decode_all::<S>(&single).as_deref() == Ok(&messages[..]),
        "frame",
        "frames come back byte by byte",
        || "other messages come out".to_owned(),
    );
}

/// Damaged bytes are never taken for a frame, and never waited for.
pub(super) fn garbage<S: ProcessPool>(case: &mut Case) {
    let message = b"the soup is ready";
    let frame = S::encode(message);
    for place in 0..frame.len() {
        let mut damaged = frame.clone();
        damaged[place] ^= 1 << case.number(0, 7);
        let got = decode_all::<S>(&[&damaged]);
        demand(got == Err(Garbage), "garbage", "a frame with a wrong bit is garbage", || match got {
            Ok(messages) if messages.is_empty() => {
                format!("with a bit of byte {place} wrong, the decoder waits for more bytes")
            }
            _ => format!("with a bit of byte {place} wrong, a message comes out"),
        });
    }
    for _ in 0..50 {
        // Longer than any header that somebody writes for this lab.
        let random = bytes(case, 100);
        demand(
            decode_all::<S>(&[&random]) == Err(Garbage),
            "garbage",
            "100 bytes by chance are garbage",
            || format!("the decoder takes them or waits: they begin with {:?}", &random[..4]),
        );
    }
    for length in 0..frame.len() {
        demand(
            decode_all::<S>(&[&frame[..length]]) == Ok(Vec::new()),
            "frame",
            "a part of a frame is waited for",
            || format!("the first {length} bytes of {} are not", frame.len()),
        );
    }
}
