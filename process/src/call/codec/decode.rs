//! Bytes to values; the other half of `encode.rs`. The bytes may be anything.

use super::{CodecError, Form, bulk};
use crate::call::block::Carried;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, Error, IntoDeserializer, Visitor},
};

/// Reads a value from the front of its bytes.
pub(super) struct ValueDecoder<'de> {
    rest: &'de [u8],
}

impl<'de> ValueDecoder<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes that were not needed.
    pub(super) fn rest(&self) -> &'de [u8] {
        self.rest
    }

    /// Has postcard read a simple value.
    #[inline]
    fn simple<T: Deserialize<'de>>(&mut self) -> Result<T, CodecError> {
        let (value, rest) = postcard::take_from_bytes(self.rest)?;
        self.rest = rest;
        Ok(value)
    }

    #[inline]
    fn count(&mut self) -> Result<usize, CodecError> {
        usize::try_from(self.simple::<u64>()?).map_err(|_| CodecError::END)
    }

    /// The count and form of a sequence.
    #[inline]
    fn opening(&mut self) -> Result<(usize, Form), CodecError> {
        let opening: u64 = self.simple()?;
        let count = usize::try_from(opening >> Form::BITS).map_err(|_| CodecError::END)?;
        let forms = [Form::Each, Form::Bytes, Form::Numbers, Form::InBlock];
        Ok((count, forms[(opening & ((1 << Form::BITS) - 1)) as usize]))
    }

    /// The bytes of a text, or a string of bytes.
    #[inline]
    fn bytes(&mut self) -> Result<Bytes<'de>, CodecError> {
        let (length, form) = self.opening()?;
        match form {
            Form::Numbers => Err(CodecError::NO_FORM),
            // Bytes that were encoded one by one are the same.
            Form::Each | Form::Bytes => {
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(CodecError::END)?;
                self.rest = rest;
                Ok(Bytes::Here(bytes))
            }
            Form::InBlock => match self.carried(length)? {
                (1, carried) => Ok(Bytes::InBlock(carried)),
                _ => Err(CodecError::NO_FORM),
            },
        }
    }

    /// The length of each of `count` elements in a block, and the bytes of all.
    fn carried(&mut self, count: usize) -> Result<(u8, Carried), CodecError> {
        let (number, width): (u32, u8) = (self.simple()?, self.simple()?);
        let length = count.checked_mul(width.into()).ok_or(CodecError::END)?;
        Ok((width, Carried::take(number, length).map_err(CodecError::custom)?))
    }
}

/// Bytes of a value, here or in a block.
enum Bytes<'de> {
    Here(&'de [u8]),
    InBlock(Carried),
}

fn text(bytes: &[u8]) -> Result<&str, CodecError> {
    std::str::from_utf8(bytes).map_err(de::Error::custom)
}

/// Has postcard read values, and shows them to the visitor.
macro_rules! by_postcard {
    ($($method:ident: $type:ty, $visit:ident);* $(;)?) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
            visitor.$visit(self.simple::<$type>()?)
        })*
    };
}

impl<'de> Deserializer<'de> for &mut ValueDecoder<'de> {
    type Error = CodecError;

    by_postcard! {
        deserialize_i8: i8, visit_i8; deserialize_i16: i16, visit_i16; deserialize_i32: i32, visit_i32;
        deserialize_i64: i64, visit_i64; deserialize_i128: i128, visit_i128; deserialize_u8: u8, visit_u8;
        deserialize_u16: u16, visit_u16; deserialize_u32: u32, visit_u32; deserialize_u64: u64, visit_u64;
        deserialize_u128: u128, visit_u128; deserialize_f32: f32, visit_f32; deserialize_f64: f64, visit_f64;
        deserialize_bool: bool, visit_bool; deserialize_char: char, visit_char;
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.bytes()? {
            Bytes::Here(bytes) => visitor.visit_borrowed_str(text(bytes)?),
            Bytes::InBlock(carried) => visitor.visit_str(text(carried.bytes())?),
        }
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.bytes()? {
            Bytes::Here(bytes) => visitor.visit_borrowed_bytes(bytes),
            Bytes::InBlock(carried) => visitor.visit_bytes(carried.bytes()),
        }
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let (count, form) = self.opening()?;
        match form {
            Form::Each => visitor.visit_seq(Parts { decoder: self, left: count, empty: 0 }),
            Form::Bytes => bulk::read(&mut self.rest, count, 1, visitor),
            Form::Numbers => {
                let width = self.simple()?;
                bulk::read(&mut self.rest, count, width, visitor)
            }
            Form::InBlock => {
                let (width, carried) = self.carried(count)?;
                bulk::read(&mut carried.bytes(), count, width, visitor)
            }
        }
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let left = self.count()?;
        visitor.visit_map(Parts { decoder: self, left, empty: 0 })
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.simple::<u8>()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            other => Err(de::Error::custom(format_args!("an option opens with {other}"))),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V>(self, _: &'static str, visitor: V) -> Result<V::Value, CodecError>
    where
        V: Visitor<'de>,
    {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V>(self, _: &'static str, visitor: V) -> Result<V::Value, CodecError>
    where
        V: Visitor<'de>,
    {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, left: usize, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_seq(Parts { decoder: self, left, empty: 0 })
    }

    #[inline]
    fn deserialize_tuple_struct<V>(
        self,
        _: &'static str,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError>
    where
        V: Visitor<'de>,
    {
        visitor.visit_seq(Parts { decoder: self, left, empty: 0 })
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_seq(Parts { decoder: self, left: fields.len(), empty: 0 })
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_enum(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CodecError> {
        Err(CodecError::SELF_DESCRIBING)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CodecError> {
        Err(CodecError::SELF_DESCRIBING)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CodecError> {
        Err(CodecError::SELF_DESCRIBING)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The parts that are left of a sequence, a tuple, a struct or a map.
struct Parts<'a, 'de> {
    decoder: &'a mut ValueDecoder<'de>,
    left: usize,
    /// How many parts had no bytes.
    empty: u32,
}

/// The most parts without bytes that a value may have: damaged bytes may promise any number.
const MAX_EMPTY_PARTS: u32 = 1 << 24;

impl<'de> Parts<'_, 'de> {
    #[inline]
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, CodecError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let before = self.decoder.rest.len();
        let part = seed.deserialize(&mut *self.decoder)?;
        if self.decoder.rest.len() == before {
            self.empty += 1;
            if self.empty > MAX_EMPTY_PARTS {
                return Err(CodecError::ENDLESS);
            }
        }
        Ok(Some(part))
    }

    /// How many parts there can be at most: damaged bytes may promise more than there are.
    fn hint(&self) -> usize {
        self.left.min(self.decoder.rest.len())
    }
}

impl<'de> de::SeqAccess<'de> for Parts<'_, 'de> {
    type Error = CodecError;

    #[inline]
    fn next_element_seed<S>(&mut self, seed: S) -> Result<Option<S::Value>, CodecError>
    where
        S: DeserializeSeed<'de>,
    {
        self.next(seed)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'de> de::MapAccess<'de> for Parts<'_, 'de> {
    type Error = CodecError;

    #[inline]
    fn next_key_seed<S>(&mut self, seed: S) -> Result<Option<S::Value>, CodecError>
    where
        S: DeserializeSeed<'de>,
    {
        self.next(seed)
    }

    #[inline]
    fn next_value_seed<S>(&mut self, seed: S) -> Result<S::Value, CodecError>
    where
        S: DeserializeSeed<'de>,
    {
        seed.deserialize(&mut *self.decoder)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'de> de::EnumAccess<'de> for &mut ValueDecoder<'de> {
    type Error = CodecError;
    type Variant = Self;

    #[inline]
    fn variant_seed<S>(self, seed: S) -> Result<(S::Value, Self), CodecError>
    where
        S: DeserializeSeed<'de>,
    {
        let index: u32 = self.simple()?;
        let variant = seed.deserialize(IntoDeserializer::<CodecError>::into_deserializer(index))?;
        Ok((variant, self))
    }
}

impl<'de> de::VariantAccess<'de> for &mut ValueDecoder<'de> {
    type Error = CodecError;

    #[inline]
    fn unit_variant(self) -> Result<(), CodecError> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, CodecError> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_tuple(count, visitor)
    }

    #[inline]
    fn struct_variant<V>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, CodecError>
    where
        V: Visitor<'de>,
    {
        self.deserialize_tuple(fields.len(), visitor)
    }
}
