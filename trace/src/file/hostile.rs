//! Any bytes as a file: they are decoded to something, never to a panic, and what was decoded can be written
//! and read again. The fuzz target and the tests call this.

use super::{HEAD_BYTES, MAGIC, Recording, VERSION, encode::put_section};

/// Decodes the bytes as a file, and as sections whose sums are right: no fuzzer guesses a sum.
pub fn swallow(bytes: &[u8]) {
    again(bytes);
    again(&crafted(bytes));
}

/// Makes a segment of which each section's tag and payload come from `bytes`.
pub(super) fn crafted(bytes: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(&[0; 8]);
    let mut rest = bytes;
    while let [tag, length, after @ ..] = rest {
        let (payload, after) = after.split_at(after.len().min(usize::from(*length) * 2));
        put_section(&mut file, tag % 8, |out| out.extend_from_slice(payload));
        rest = after;
    }
    let length = (file.len() - HEAD_BYTES) as u64;
    file[HEAD_BYTES - 8..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
    file
}

fn again(bytes: &[u8]) {
    let recording = Recording::decode(bytes);
    recording.problems.iter().for_each(|problem| drop(problem.to_string()));
    for segment in &recording.segments {
        let mut file = Vec::new();
        segment.write_to(&mut file).expect("a vector takes all bytes");
        let second = Recording::decode(&file);
        assert_eq!(second.problems, [], "our own files have no problems");
        let (old, new) = (&segment.trace, &second.segments[0].trace);
        assert!(old.events().eq(new.events()), "an event changed on its way");
    }
}
