//! Tests of the codec.

use super::{Part, bulk, decode, encode, encode_within};
use crate::{
    call::block::{
        Inner,
        attachments::{self, Leases, Origin},
    },
    system::memory::{self, Memory},
    wire::ring::{LENT_TO_WORKER, WORDS},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, SeqAccess, Visitor},
};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    num::NonZeroU32,
    process,
    sync::Arc,
};

#[test]
fn a_value_over_the_limit_is_refused_with_its_length() {
    let mut out = b"before".to_vec();
    for (value, fits) in [("x".repeat(97), true), ("x".repeat(98), true), ("x".repeat(99), false)] {
        out.truncate(6);
        assert_eq!(encode_within(100, Part::Result, &value, &mut out).is_ok(), fits);
    }
    let many = vec!["y".repeat(60); 50];
    let why = encode_within(100, Part::Argument, &many, &mut out).unwrap_err();
    // The sequence's opening takes a byte or two, and each text's two.
    let length = 2 + 50 * 62;
    assert!(why.contains("argument") && why.contains(&format!("{length} bytes")), "{why}");
    assert!(why.contains("100 at most"), "{why}");
    assert_eq!(out, b"before", "nothing of it is left");
}

#[test]
fn no_more_is_kept_than_the_limit() {
    let mut out = Vec::new();
    assert!(
        encode_within(1000, Part::Result, &(vec![1_u8; 5000], vec![[7_u64; 30]; 500]), &mut out).is_err()
    );
    assert!(out.capacity() <= 2000, "{}", out.capacity());
}

fn there_and_back<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(value: T) -> usize {
    let mut out = Vec::new();
    encode(Part::Argument, &value, &mut out).unwrap();
    assert_eq!(decode::<T>(Part::Argument, &out).as_ref(), Ok(&value));
    for cut in [0, 1, out.len() / 2, out.len().saturating_sub(1)] {
        // A part of it is an error, or a value of its own, but never more than there is.
        let _ = decode::<T>(Part::Argument, &out[..cut.min(out.len())]);
    }
    out.len()
}

/// A value with everything that serde knows.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
enum Any {
    Unit,
    Newtype(Vec<u8>),
    Tuple(i8, u16, i32, f32, char, String),
    Struct { some: Option<Box<Any>>, none: Option<u64>, map: BTreeMap<String, Vec<i64>>, big: u128, unit: () },
}

#[test]
fn values_of_all_shapes_come_back() {
    let map = BTreeMap::from([("a".into(), (0..200).collect()), ("b".into(), vec![-1])]);
    let tuple = Any::Tuple(-7, 60_000, i32::MIN, 0.5, 'é', "text".into());
    let inner = Any::Struct { some: Some(Box::new(tuple)), none: None, map, big: u128::MAX, unit: () };
    there_and_back(vec![Any::Unit, Any::Newtype((0..=255).collect()), inner]);
    there_and_back((true, [1_u64, 2, 3], -128_i8, (), Some(Some(0_u8))));
    there_and_back(HashMap::from([(1_u32, vec![vec![1.5_f64; 100]; 3]), (2, vec![])]));
}

#[test]
fn numbers_come_back_bit_for_bit_from_every_kind_of_sequence() {
    macro_rules! each {
        ($($number:ty),*) => {
            $(for count in [0, 1, 63, 64, 65, 1000] {
                // All bits change over the sequence.
                let numbers: Vec<$number> = (0..count).map(|n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) as $number).collect();
                there_and_back(numbers.clone());
                there_and_back(numbers.clone().into_boxed_slice());
                there_and_back(VecDeque::from(numbers.clone()));
                there_and_back((numbers.clone(), vec![Some(numbers.clone())], "behind".to_owned()));
                // Serialized as one kind, decoded as another.
                let mut out = Vec::new();
                encode(Part::Result, &numbers, &mut out).unwrap();
                assert_eq!(decode::<VecDeque<$number>>(Part::Result, &out), Ok(numbers.clone().into()));
                assert_eq!(decode::<Vec<Wrapped<$number>>>(Part::Result, &out).unwrap().len(), numbers.len());
            })*
        };
    }
    #[derive(Deserialize)]
    struct Wrapped<T>(#[allow(dead_code, reason = "it is decoded")] T);
    each!(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, usize, isize, f32, f64);
    let odd = [f64::NAN, -0.0, f64::INFINITY, f64::MIN_POSITIVE];
    let mut out = Vec::new();
    encode(Part::Result, &odd.repeat(20), &mut out).unwrap();
    let back: Vec<f64> = decode(Part::Result, &out).unwrap();
    assert!(back.iter().map(|x| x.to_bits()).eq(odd.repeat(20).iter().map(|x| x.to_bits())));
}

#[test]
fn vectors_and_slices_of_numbers_are_copied_whole() {
    assert_eq!(there_and_back(vec![7_u8; 1000]), 2 + 1000);
    assert_eq!(there_and_back(vec![1_u64; 1000]), 2 + 1 + 8000);
    // A short sequence of wide numbers takes few bytes.
    assert_eq!(there_and_back(vec![1_u64; 10]), 1 + 10);
    assert_eq!(bulk::slice_of(&&[1_u8, 2][..]).map(|raw| raw.count), Some(2));
    assert_eq!(bulk::slice_of(&&vec![0.5_f32; 70]).map(|raw| raw.bytes.len()), Some(280));
    assert!(bulk::slice_of(&&vec![true]).is_none());
}

/// A visitor that makes a vector of bytes, but not as serde does.
struct VectorOfBytes;

impl<'de> Visitor<'de> for VectorOfBytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = sequence.next_element::<u8>()? {
            bytes.push(!byte);
        }
        Ok(bytes)
    }
}

/// Bytes that are turned over when they are decoded.
#[derive(Debug, PartialEq)]
struct Inverted(Vec<u8>);

impl<'de> Deserialize<'de> for Inverted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(VectorOfBytes).map(Self)
    }
}

#[test]
fn a_visitor_of_the_users_own_sees_each_element() {
    let mut out = Vec::new();
    encode(Part::Argument, &vec![1_u8, 2, 3], &mut out).unwrap();
    assert_eq!(decode(Part::Argument, &out), Ok(Inverted(vec![!1, !2, !3])));
}

/// A type that refuses to be encoded or decoded.
#[derive(Debug)]
struct Refuses;

impl Serialize for Refuses {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it is a secret"))
    }
}

impl<'de> Deserialize<'de> for Refuses {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("nobody may know it"))
    }
}

#[test]
fn errors_keep_their_words() {
    let why = encode(Part::Argument, &(1, Refuses), &mut Vec::new()).unwrap_err();
    assert_eq!(why, "the argument cannot be encoded: it is a secret");
    let why = decode::<(u8, Refuses)>(Part::Result, &[1]).unwrap_err();
    assert_eq!(why, "the result cannot be decoded: nobody may know it");
    let why = decode::<NonZeroU32>(Part::Result, &[0]).unwrap_err();
    assert!(why.contains("nonzero"), "{why}");
    let why = decode::<Vec<u8>>(Part::Result, &[(9 << 2) | 1, 1]).unwrap_err();
    assert_eq!(why, "the result cannot be decoded: there are too few bytes");
    let why = decode::<u8>(Part::Result, &[9, 1]).unwrap_err();
    assert_eq!(why, "the result has 1 bytes too many");
}

#[test]
fn a_type_that_asks_the_bytes_for_their_type_is_told_so() {
    #[derive(Serialize, Deserialize, Debug)]
    #[serde(untagged)]
    enum Untagged {
        Number(u8),
        Text(String),
    }
    let mut out = Vec::new();
    for value in [Untagged::Number(1), Untagged::Text("one".into())] {
        encode(Part::Argument, &value, &mut out).unwrap();
    }
    let why = decode::<Untagged>(Part::Argument, &out).unwrap_err();
    assert!(why.contains("untagged"), "{why}");
}

#[test]
fn promises_of_many_elements_cost_no_memory() {
    // It promises 2^62 elements, raw and one by one.
    for opening in (0..4).map(|form| u64::MAX - form) {
        let mut bytes = postcard::to_stdvec(&opening).unwrap();
        bytes.extend([1; 100]);
        assert!(decode::<Vec<u8>>(Part::Result, &bytes).is_err());
        assert!(decode::<Vec<u128>>(Part::Result, &bytes).is_err());
        assert!(decode::<Vec<String>>(Part::Result, &bytes).is_err());
        assert!(decode::<VecDeque<f64>>(Part::Result, &bytes).is_err());
        assert!(decode::<BTreeMap<u8, u8>>(Part::Result, &bytes).is_err());
    }
}

#[test]
fn long_parts_travel_in_blocks_where_a_message_may_name_some() {
    let value = (vec![7_u8; 1 << 20], "long ".repeat(60_000), vec![0.5_f64; 1 << 15], vec![3_u64; 1000]);
    let mut out = Vec::new();
    for (most, named) in [(0, 0), (2, 2), (9, 3)] {
        out.clear();
        let (encoded, blocks) = attachments::packing(most, || encode(Part::Argument, &value, &mut out));
        encoded.unwrap();
        assert_eq!(blocks.len(), named);
        assert_eq!(out.len() < 10_000, named == 3, "{}", out.len());
    }
    // Without the blocks the message cannot be decoded, and says why.
    let why = decode::<(Vec<u8>, String, Vec<f64>, Vec<u64>)>(Part::Argument, &out).unwrap_err();
    assert!(why.contains("block"), "{why}");
}

#[test]
fn parts_in_blocks_come_back() {
    type Value = (Vec<u8>, String, Vec<f64>, VecDeque<u64>, Vec<i16>);
    let value: Value =
        (vec![7; 1 << 18], "é".repeat(1 << 17), vec![0.5; 1 << 16], vec![3; 9].into(), vec![-1; 1 << 17]);
    let mut out = Vec::new();
    let (encoded, blocks) = attachments::packing(9, || encode(Part::Argument, &value, &mut out));
    encoded.unwrap();
    assert_eq!(blocks.len(), 4);
    let back = arriving(&blocks, || decode::<Value>(Part::Argument, &out));
    assert_eq!(back, Ok(value));
    // Into a type that takes them one by one.
    let numbers: Vec<u32> = (0..1 << 16).collect();
    out.clear();
    let (encoded, blocks) = attachments::packing(9, || encode(Part::Argument, &numbers, &mut out));
    encoded.unwrap();
    assert_eq!(blocks.len(), 1);
    let back = arriving(&blocks, || decode::<VecDeque<u32>>(Part::Argument, &out));
    assert_eq!(back, Ok(numbers.into()));
}

#[test]
fn numbers_of_another_length_are_refused() {
    let mut out = Vec::new();
    for count in [64_usize, 1 << 16] {
        out.clear();
        let (encoded, blocks) =
            attachments::packing(9, || encode(Part::Argument, &vec![1_u64; count], &mut out));
        encoded.unwrap();
        let decode = || decode::<Vec<u32>>(Part::Argument, &out).unwrap_err();
        let why = arriving(&blocks, decode);
        assert!(why.contains("another length"), "{why}");
    }
}

#[test]
fn bytes_that_were_encoded_one_by_one_are_a_string_of_bytes() {
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }
    #[derive(Debug, PartialEq)]
    struct AsBytes(Vec<u8>);
    impl<'de> Deserialize<'de> for AsBytes {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_byte_buf(Bytes).map(Self)
        }
    }
    let mut out = Vec::new();
    encode(Part::Result, &VecDeque::from([1_u8, 200, 3]), &mut out).unwrap();
    assert_eq!(decode(Part::Result, &out), Ok(AsBytes(vec![1, 200, 3])));
}

#[test]
fn elements_without_bytes_are_counted() {
    there_and_back(vec![(); 1000]);
    let bytes = postcard::to_stdvec(&!3_u64).unwrap();
    let why = decode::<Vec<()>>(Part::Result, &bytes).unwrap_err();
    assert!(why.contains("without bytes"), "{why}");
}

/// Decodes a message with these blocks.
fn arriving<R>(blocks: &[Arc<Inner>], decode: impl FnOnce() -> R) -> R {
    let memory = Arc::new(Memory::map(&memory::create(WORDS).unwrap(), WORDS).unwrap());
    let mut head = Vec::new();
    Leases::new(memory.clone(), LENT_TO_WORKER).declare(1, blocks, &mut head);
    let origin = Origin { pid: process::id(), memory, first: LENT_TO_WORKER };
    let (mut arrivals, _) = origin.arrivals(&head).unwrap();
    assert!(arrivals.open());
    arrivals.unpacking(decode)
}
