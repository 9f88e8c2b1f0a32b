//! Values to bytes: postcard's format, but for sequences of numbers (`bulk.rs`).
//!
//! A sequence opens with `count << 2 | form`, and a text or a string of bytes with its length instead of the
//! count ([`Form`]).

use super::{
    CodecError, Form, Tail,
    bulk::{self, RawSlice},
};
use crate::call::block;
use serde::{Serialize, Serializer, ser};

/// Writes a value.
pub(super) struct ValueEncoder<'a> {
    inner: postcard::Serializer<Tail<'a>>,
}

impl<'a> ValueEncoder<'a> {
    pub(super) fn new(tail: Tail<'a>) -> Self {
        Self { inner: postcard::Serializer { output: tail } }
    }

    pub(super) fn into_tail(self) -> Tail<'a> {
        self.inner.output
    }

    /// Writes the number that opens a sequence.
    #[inline]
    fn open(&mut self, count: usize, form: Form) -> Result<(), CodecError> {
        Ok((&mut self.inner).serialize_u64((count as u64) << Form::BITS | form as u64)?)
    }

    /// Writes `count` elements of `width` bytes each.
    #[inline]
    fn write_raw(&mut self, RawSlice { bytes, count, width }: RawSlice<'_>) -> Result<(), CodecError> {
        if let Some(number) = block::carry(bytes) {
            self.open(count, Form::InBlock)?;
            self.serialize_u32(number)?;
            self.serialize_u8(width)?;
            return Ok(());
        }
        if width == 1 {
            self.open(count, Form::Bytes)?;
        } else {
            self.open(count, Form::Numbers)?;
            self.serialize_u8(width)?;
        }
        self.inner.output.extend(bytes);
        Ok(())
    }
}

/// Hands simple values to postcard.
macro_rules! by_postcard {
    ($($method:ident: $type:ty),* $(,)?) => {
        $(#[inline]
        fn $method(self, value: $type) -> Result<(), CodecError> {
            Ok((&mut self.inner).$method(value)?)
        })*
    };
}

impl Serializer for &mut ValueEncoder<'_> {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    by_postcard! {
        serialize_bool: bool, serialize_char: char,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64,
    }

    #[inline]
    fn collect_seq<I>(self, values: I) -> Result<(), CodecError>
    where
        I: IntoIterator<Item: Serialize>,
    {
        if let Some(raw) = bulk::slice_of(&values) {
            return self.write_raw(raw);
        }
        let values = values.into_iter();
        let count = match values.size_hint() {
            (low, Some(high)) if low == high => Some(low),
            _ => None,
        };
        let mut sequence = self.serialize_seq(count)?;
        for value in values {
            ser::SerializeSeq::serialize_element(&mut sequence, &value)?;
        }
        Ok(())
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), CodecError> {
        self.serialize_bytes(text.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), CodecError> {
        self.write_raw(RawSlice { bytes, count: bytes.len(), width: 1 })
    }

    #[inline]
    fn serialize_seq(self, count: Option<usize>) -> Result<Self, CodecError> {
        let count = count.ok_or(CodecError::UNCOUNTED)?;
        self.open(count, Form::Each)?;
        Ok(self)
    }

    #[inline]
    fn serialize_map(self, count: Option<usize>) -> Result<Self, CodecError> {
        let count = count.ok_or(CodecError::UNCOUNTED)?;
        self.serialize_u64(count as u64)?;
        Ok(self)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), CodecError> {
        self.serialize_u8(0)
    }

    #[inline]
    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), CodecError> {
        self.serialize_u8(1)?;
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), CodecError> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), CodecError> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(self, _: &str, index: u32, _: &str) -> Result<(), CodecError> {
        self.serialize_u32(index)
    }

    #[inline]
    fn serialize_newtype_struct<T>(self, _: &'static str, value: &T) -> Result<(), CodecError>
    where
        T: ?Sized + Serialize,
    {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T>(self, _: &str, index: u32, _: &str, value: &T) -> Result<(), CodecError>
    where
        T: ?Sized + Serialize,
    {
        self.serialize_u32(index)?;
        value.serialize(self)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self, CodecError> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, CodecError> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(self, _: &str, index: u32, _: &str, _: usize) -> Result<Self, CodecError> {
        self.serialize_u32(index)?;
        Ok(self)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, CodecError> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(self, _: &str, index: u32, _: &str, _: usize) -> Result<Self, CodecError> {
        self.serialize_u32(index)?;
        Ok(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The parts of a value, one after the other.
macro_rules! parts {
    ($($trait:ident::$method:ident($($name:ty)?)),* $(,)?) => {
        $(impl ser::$trait for &mut ValueEncoder<'_> {
            type Ok = ();
            type Error = CodecError;

            #[inline]
            fn $method<T: ?Sized + Serialize>(&mut self, $(_: $name,)? value: &T) -> Result<(), CodecError> {
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Result<(), CodecError> {
                Ok(())
            }
        })*
    };
}

parts! {
    SerializeSeq::serialize_element(),
    SerializeTuple::serialize_element(),
    SerializeTupleStruct::serialize_field(),
    SerializeTupleVariant::serialize_field(),
    SerializeStruct::serialize_field(&'static str),
    SerializeStructVariant::serialize_field(&'static str),
}

impl ser::SerializeMap for &mut ValueEncoder<'_> {
    type Ok = ();
    type Error = CodecError;

    #[inline]
    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), CodecError> {
        key.serialize(&mut **self)
    }

    #[inline]
    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), CodecError> {
        value.serialize(&mut **self)
    }

    #[inline]
    fn end(self) -> Result<(), CodecError> {
        Ok(())
    }
}
