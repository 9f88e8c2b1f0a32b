//! The messages of a hostile peer: any bytes at all are decoded to an error or a value, never to a panic,
//! and nothing is allocated for bytes that have not arrived.
//!
//! This is built for the fuzz target (`fuzz/`) and for the tests below, which replay its corpus and go on
//! from there with seeded mutations. `parent/lane/garbage.rs` tries any contents of a ring.

#[cfg(test)]
// Unsafe: an allocator that counts.
#[allow(unsafe_code)]
mod allocations;

use crate::{
    call::{
        Answer, batch,
        block::{Block, attachments::Origin},
        codec,
        entry::{self, Name},
    },
    image::xxh64::xxh64,
    system::{
        descriptors,
        memory::{self, Memory},
    },
    wire::{
        frame::{self, Decoder, Frame, Kind},
        handover,
        hello::Hello,
        ring::{LENT_TO_POOL, WORDS},
        setup::Setup,
    },
};
use std::sync::{Arc, OnceLock};

/// Decodes the bytes in every way in which a pool or a worker decodes received bytes.
pub fn swallow(bytes: &[u8]) {
    stream(bytes);
    crafted(bytes);
    parts(bytes);
    blocks(bytes);
    // For types of unknown length serde reserves up to a MiB before it has seen an element.
    let _ = postcard::from_bytes::<Setup>(bytes);
}

/// Decodes the bytes as a stream, in pieces of growing size.
fn stream(bytes: &[u8]) {
    let mut decoder = Decoder::default();
    let (mut rest, mut size) = (bytes, 1);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(size.min(rest.len()));
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => meaning(frame),
                Ok(None) => break,
                Err(malformed) => return drop(malformed.to_string()),
            }
        }
        (rest, size) = (after, size * 2 + 1);
    }
}

/// Decodes a frame whose checksums are right and whose other words come from the bytes: no fuzzer guesses a
/// checksum.
fn crafted(bytes: &[u8]) {
    let Some((words, payload)) = bytes.split_at_checked(32) else { return };
    let mut whole = b"BRG1".to_vec();
    whole.extend_from_slice(&words[4..]);
    let head = xxh64(&whole, 0);
    whole.extend_from_slice(&head.to_le_bytes());
    // The payload's sum is wrong in some cases.
    let sum = xxh64(payload, head) ^ u64::from(words[0] == 0xFF);
    whole.extend_from_slice(&sum.to_le_bytes());
    whole.extend_from_slice(payload);
    stream(&whole);
    let Some(kind) = Kind::from_byte(words[4]) else { return };
    let mut good = Vec::new();
    frame::encode(&mut good, kind, u64::from(words[8]), u64::from(words[16]), words[5], payload);
    let mut decoder = Decoder::default();
    decoder.push(&good);
    let frame = decoder.next().ok().flatten().expect("what was encoded is a frame");
    assert_eq!((frame.kind, &*frame.payload), (kind, payload));
    // A copy with one bit turned is not a frame.
    let at = usize::from(words[1]) % good.len();
    good[at] ^= 1 << (words[2] % 8);
    let mut decoder = Decoder::default();
    decoder.push(&good);
    assert!(!matches!(decoder.next(), Ok(Some(_))), "damage at byte {at} was not noticed");
}

/// Decodes a frame's payload in every way.
fn meaning(Frame { kind, payload, .. }: Frame) {
    parts(&payload);
    if let Ok(answer) = Answer::from_parts(kind, payload) {
        drop(answer.into_result::<(String, u64)>());
    }
}

/// Decodes a value that names blocks, from a peer that may name any descriptor of this process.
fn blocks(bytes: &[u8]) {
    static MEMORY: OnceLock<Arc<Memory>> = OnceLock::new();
    let map = || {
        let file = memory::create(WORDS).expect("there is shared memory");
        Arc::new(Memory::map(&file, WORDS).expect("it can be mapped"))
    };
    let memory = MEMORY.get_or_init(map).clone();
    let origin = Origin { pid: std::process::id(), memory, first: LENT_TO_POOL };
    let decode = codec::decode_result::<(Block<u64>, Option<Block<u8>>, String)>;
    if let Some((arrivals, value)) = origin.arrivals(bytes) {
        drop(arrivals.unpacking(|| decode(value)));
    }
    drop(codec::decode_result::<Block<u32>>(bytes));
    // A request to a zygote is one byte.
    let most = descriptors::MESSAGE_DESCRIPTORS;
    assert!(bytes.iter().all(|&byte| (1..=most).contains(&handover::numbers(byte).len())));
}

fn parts(bytes: &[u8]) {
    let _ = postcard::from_bytes::<Hello>(bytes);
    let items = batch::items(bytes).map(<[u8]>::len).sum::<usize>();
    let records = batch::records(bytes);
    let count = records.map(|(kind, payload)| drop(Answer::from_parts(kind, payload.to_vec()))).count();
    assert!(items <= bytes.len() && count <= bytes.len());
    assert!(batch::length_of_records(bytes, count).is_some_and(|length| length <= bytes.len()));
    for word in bytes.chunks_exact(8).filter_map(<[u8]>::first_chunk) {
        let _ = entry::lookup(Name(u64::from_le_bytes(*word)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/frames");

    /// SplitMix64 (Steele, Lea and Flood 2014).
    fn roll(dice: &mut u64) -> usize {
        *dice = dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (*dice ^ (*dice >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as usize >> 1
    }

    fn corpus() -> Vec<Vec<u8>> {
        let folder = fs::read_dir(Path::new(CORPUS)).unwrap();
        let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|path| fs::read(path).unwrap()).collect()
    }

    /// Changes a few bytes, cuts, repeats, or puts a hostile number in.
    fn mutate(bytes: &mut Vec<u8>, other: &[u8], dice: &mut u64) {
        for _ in 0..1 + roll(dice) % 4 {
            let at = roll(dice) % (bytes.len() + 1);
            match roll(dice) % 6 {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, roll(dice) as u8),
                2 => bytes.extend_from_slice(&other[..roll(dice) % (other.len() + 1)]),
                3 if at + 8 <= bytes.len() => {
                    let numbers = [1 << 63, u64::MAX, 1 << 31, (1 << 31) + 1, 1 << 40, 0, 7];
                    let number: u64 = numbers[roll(dice) % numbers.len()];
                    bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
                }
                _ if at < bytes.len() => bytes[at] ^= 1 << (roll(dice) % 8),
                _ => {}
            }
            bytes.truncate(4096);
        }
    }

    /// Runs the decoders, and checks that no allocation was larger than the bytes that had arrived, apart
    /// from a buffer's growth.
    fn feed(bytes: &[u8]) {
        let largest = allocations::largest(|| {
            stream(bytes);
            crafted(bytes);
            parts(bytes);
        });
        assert!(largest <= 2 * bytes.len() + 512, "{largest} bytes were allocated for {}", bytes.len());
        let largest = allocations::largest(|| swallow(bytes));
        assert!(largest <= 2 << 20, "{largest} bytes were allocated for {}", bytes.len());
    }

    #[test]
    fn the_corpus_and_its_mutations_are_swallowed() {
        let corpus = corpus();
        assert!(corpus.len() > 5, "the corpus is there");
        corpus.iter().for_each(|bytes| feed(bytes));
        let mut dice = 1;
        for _ in 0..20_000 {
            let mut bytes = corpus[roll(&mut dice) % corpus.len()].clone();
            let other = &corpus[roll(&mut dice) % corpus.len()];
            mutate(&mut bytes, other, &mut dice);
            feed(&bytes);
        }
    }
}
