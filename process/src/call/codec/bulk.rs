//! Sequences of numbers, copied whole.
//!
//! Serde hands a sequence over element by element, and a megabyte of bytes is a million calls. Most of these
//! sequences are a `Vec<T>` or a slice of numbers, whose memory is their encoding. Serde does not tell a
//! format what type it works on, but the type of what it passes does: [`slice_of`] finds it out at the
//! one call that serde makes for every `Vec` and slice, however deep in a value, and [`read`] at the one
//! for every `Vec` and boxed slice. A type that serde encodes in another way is encoded element by element.
//!
//! Both sides are the same program (`image/`), so a number has the same size and order of bytes in both.

use super::CodecError;
use bytemuck::Pod;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, SeqAccess, Visitor},
    forward_to_deserialize_any,
};
use std::{any::TypeId, fmt, mem, ptr};

/// With fewer elements than this, wide integers are encoded one by one, in as few bytes as each needs.
pub(super) const MIN_ELEMENTS: usize = 64;

/// A slice of numbers as its bytes.
pub(super) struct RawSlice<'a> {
    pub(super) bytes: &'a [u8],
    /// The number of elements.
    pub(super) count: usize,
    /// How many bytes each has.
    pub(super) width: u8,
}

/// Calls a macro with each type of number that may be copied whole. Serde has no `usize`: it hands one over
/// as a `u64`, which it must be as long as.
macro_rules! each_number {
    ($do:ident) => {
        #[cfg(target_pointer_width = "64")]
        $do!(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, f32, f64, usize, isize);
        #[cfg(not(target_pointer_width = "64"))]
        $do!(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, f32, f64);
    };
}

/// The bytes of what is iterated over, if it is a slice of numbers or a vector of them.
#[inline]
pub(super) fn slice_of<I>(values: &I) -> Option<RawSlice<'_>> {
    macro_rules! look {
        ($($number:ty),*) => {
            $(if let Some(numbers) = numbers_of::<I, $number>(values) {
                let (count, width) = (numbers.len(), const { mem::size_of::<$number>() as u8 });
                let bytes = bytemuck::cast_slice(numbers);
                return (width == 1 || count >= MIN_ELEMENTS)
                    .then_some(RawSlice { bytes, count, width });
            })*
        };
    }
    each_number!(look);
    None
}

#[inline]
fn numbers_of<I, T: Pod>(values: &I) -> Option<&[T]> {
    let is = typeid::of::<I>();
    if is == TypeId::of::<&'static [T]>() {
        // SAFETY: `I` is `&'a [T]` with some lifetime `'a`, since `typeid` differs from the real id only in
        // that it takes lifetimes for `'static`, and `T` has none. The reference that is read here is used
        // for as long as `values` is borrowed, which `'a` outlives.
        return Some(unsafe { *ptr::from_ref(values).cast::<&[T]>() });
    }
    if is == TypeId::of::<&'static Vec<T>>() {
        // SAFETY: as above.
        return Some(unsafe { *ptr::from_ref(values).cast::<&Vec<T>>() });
    }
    None
}

/// Has the visitor take `count` numbers of `width` bytes from the front of `rest`. The visitor with which
/// serde makes a vector of numbers is not asked: the vector is a copy.
#[inline]
pub(super) fn read<'de, V>(
    rest: &mut &[u8],
    count: usize,
    width: u8,
    visitor: V,
) -> Result<V::Value, CodecError>
where
    V: Visitor<'de>,
{
    macro_rules! look {
        ($($number:ty),*) => {
            $(if makes_vector::<V, $number>()
                && mem::size_of::<$number>() == usize::from(width)
                && let Some(numbers) = into(read_vector::<$number>(rest, count)?)
            {
                return Ok(numbers);
            })*
        };
    }
    each_number!(look);
    visitor.visit_seq(Numbers { rest, left: count, width })
}

fn read_vector<T: Pod>(rest: &mut &[u8], count: usize) -> Result<Vec<T>, CodecError> {
    let length = count.checked_mul(mem::size_of::<T>());
    let (bytes, after) = length.and_then(|length| rest.split_at_checked(length)).ok_or(CodecError::END)?;
    *rest = after;
    let mut numbers = Vec::<T>::with_capacity(count);
    // SAFETY: there is room for `count` numbers, which are as long as the bytes, and new memory is not what
    // the bytes lie in.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), numbers.as_mut_ptr().cast(), bytes.len()) };
    // SAFETY: the first `count` numbers have just been written, and a `Pod` is valid whatever its bytes are.
    unsafe { numbers.set_len(count) };
    Ok(numbers)
}

/// Numbers as in memory, one by one.
struct Numbers<'a, 'b> {
    rest: &'a mut &'b [u8],
    left: usize,
    /// How many bytes each has.
    width: u8,
}

impl<'de> SeqAccess<'de> for Numbers<'_, '_> {
    type Error = CodecError;

    #[inline]
    fn next_element_seed<S>(&mut self, seed: S) -> Result<Option<S::Value>, CodecError>
    where
        S: DeserializeSeed<'de>,
    {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Number(self.rest, self.width)).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        // Damaged bytes may promise more than there are.
        Some(self.left.min(self.rest.len()))
    }
}

/// A number at the front of these bytes, of which it has this many.
struct Number<'a, 'b>(&'a mut &'b [u8], u8);

macro_rules! numbers {
    ($($method:ident: $type:ty, $visit:ident);* $(;)?) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
            if mem::size_of::<$type>() != usize::from(self.1) {
                return Err(CodecError::OTHER_LENGTH);
            }
            let (bytes, rest) = self.0.split_first_chunk().ok_or(CodecError::END)?;
            *self.0 = rest;
            visitor.$visit(<$type>::from_ne_bytes(*bytes))
        })*
    };
}

impl<'de> Deserializer<'de> for Number<'_, '_> {
    type Error = CodecError;

    numbers! {
        deserialize_i8: i8, visit_i8; deserialize_i16: i16, visit_i16; deserialize_i32: i32, visit_i32;
        deserialize_i64: i64, visit_i64; deserialize_i128: i128, visit_i128; deserialize_u8: u8, visit_u8;
        deserialize_u16: u16, visit_u16; deserialize_u32: u32, visit_u32; deserialize_u64: u64, visit_u64;
        deserialize_u128: u128, visit_u128; deserialize_f32: f32, visit_f32; deserialize_f64: f64, visit_f64;
    }

    #[inline]
    fn deserialize_newtype_struct<V>(self, _: &'static str, visitor: V) -> Result<V::Value, CodecError>
    where
        V: Visitor<'de>,
    {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CodecError> {
        Err(CodecError::NO_NUMBER)
    }

    forward_to_deserialize_any! {
        bool char str string bytes byte_buf option unit unit_struct seq tuple tuple_struct map struct enum
        identifier ignored_any
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The vector as the type that it is known to be.
fn into<T: Pod, R>(numbers: Vec<T>) -> Option<R> {
    if typeid::of::<R>() != TypeId::of::<Vec<T>>() {
        return None;
    }
    let numbers = mem::ManuallyDrop::new(numbers);
    // SAFETY: `R` is `Vec<T>`: the ids are equal, and neither type has a lifetime. The original is not used
    // again and not dropped.
    Some(unsafe { mem::transmute_copy::<mem::ManuallyDrop<Vec<T>>, R>(&numbers) })
}

/// Whether the visitor is serde's own for `Vec<T>`. Another one that makes the same type may look at each
/// element, and must see them.
#[inline]
fn makes_vector<'de, V: Visitor<'de>, T: Pod + Deserialize<'de>>() -> bool {
    typeid::of::<V::Value>() == TypeId::of::<Vec<T>>()
        && Vec::<T>::deserialize(VisitorType).is_err_and(|found| found.0 == Some(typeid::of::<V>()))
}

/// A format that holds nothing. It tells with which visitor a type asks for a sequence.
struct VisitorType;

/// The type of the visitor, if the type has asked for a sequence.
#[derive(Debug)]
struct AskedFor(Option<TypeId>);

impl<'de> Deserializer<'de> for VisitorType {
    type Error = AskedFor;

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, _: V) -> Result<V::Value, AskedFor> {
        Err(AskedFor(Some(typeid::of::<V>())))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, AskedFor> {
        Err(AskedFor(None))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl fmt::Display for AskedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing is decoded here")
    }
}

impl std::error::Error for AskedFor {}

impl de::Error for AskedFor {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(None)
    }
}
