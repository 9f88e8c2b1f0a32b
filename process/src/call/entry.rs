//! How a function is named to another process, and how a name is checked before anything is called.
//!
//! A call names no address of code. For each triple of function, argument and result type the compiler
//! makes one constant [`Entry`], which holds a mark of 32 bytes around a pointer to the monomorphised
//! trampoline ([`run`]). The wire carries the *entry's* address, relative to the image. All entries
//! together, wherever the linker put them, are the executable's table of calls; no macro and no
//! registration is needed to fill it.
//!
//! # The checks in the worker, in this order
//!
//! 1. The handshake has shown that both processes run the same build (`image/mod.rs`).
//! 2. The named place is aligned and lies wholly in a part of the executable that is readable and never
//!    written.
//! 3. It begins and ends with the mark. The mark stands nowhere else: the code that checks it holds only a
//!    hash of it.
//! 4. The pointer *found there* leads into the executable's code.
//!
//! So for every number that comes off the wire, either it is an entry that the compiler made, or the call
//! is refused.
//!
//! # Limits
//!
//! The function must be in the executable itself, not in a shared library that it loaded. It must be of a
//! type without a size (a `fn` item, or a closure that captures nothing): then the other process can have
//! the same function from the type alone. A `fn` pointer has a size and is refused at compile time.
//!
//! # The contract on captures
//!
//! A closure that captures nothing has no size, but so has a closure into which only values without a size
//! were moved. The compiler gives a library no means to tell the two apart, so the caller has to: **a
//! function that is handed to a pool captures nothing, not even a value without a size.** [`conjure`] makes
//! such a value in the worker out of nothing. That matters only if the value is a *token*: a value whose
//! existence proves something to unsafe code, and whose proof is about the process, such as "this device
//! was set up". If a token was captured, the worker has one without ever having had the proof.
//!
//! Parameters of type `fn(A) -> R` would prevent it, since only a closure that captures nothing becomes
//! such a pointer. But a pointer names nothing: its address would have to cross, the worker could not tell
//! it from any other place in the code, and it would jump to a number that is damaged or comes from a
//! stranger. Names that can be checked are worth more than protection for a token that its owner hands to
//! another process with `move`: such a token is `Copy`, `Send` and `'static`, and a fork copies it, too.

use crate::{
    call::{
        block::attachments::not_packing,
        codec::{self, Part},
        panics,
    },
    image::Image,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{marker::PhantomData, panic::AssertUnwindSafe, ptr::NonNull};

/// A function's name on the wire: its entry's address relative to the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) u64);

/// The outcome of a trampoline.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The result's bytes were appended to the output.
    Value,
    /// The function, or the user's serde code, panicked.
    Panicked(panics::Report),
    /// The argument could not be decoded, or the result could not be encoded.
    Failed(String),
}

/// A trampoline: decodes the argument, calls the function, encodes the result.
pub(crate) type Run = fn(&[u8], &mut Vec<u8>) -> Outcome;

/// One row of the executable's table of calls.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Entry {
    mark: [u64; 2],
    run: Run,
    tail: [u64; 2],
}

const MARK: [u64; 2] = [0xB416_ADE0_CA11_7AB1, 0x0E5E_7F1E_1D0F_C00C];
const TAIL: [u64; 2] = [0x50FA_57B4_EAD1_50FF, 0x7AB1_ECA1_1EB4_16AD];

/// A hash of the mark, so that the mark itself stands in no other constant and in no instruction.
const fn hash(mark: [u64; 2], tail: [u64; 2]) -> u64 {
    const ODD: u64 = 0x9E37_79B1_85EB_CA87;
    let mut hash = 0u64;
    let words = [mark[0], mark[1], tail[0], tail[1]];
    let mut at = 0;
    while at < words.len() {
        hash = (hash ^ words[at]).wrapping_mul(ODD).rotate_left(29);
        at += 1;
    }
    hash
}

const MARK_HASH: u64 = hash(MARK, TAIL);

/// Gives each triple of types its entry.
struct Table<F, A, R>(PhantomData<fn(F, A) -> R>);

impl<F, A, R> Table<F, A, R>
where
    F: Fn(A) -> R + Copy + 'static,
    A: DeserializeOwned,
    R: Serialize,
{
    const ENTRY: &'static Entry = &Entry { mark: MARK, run: run::<F, A, R>, tail: TAIL };
}

/// The function's name, or why it has none.
pub(crate) fn name<F, A, R>(_f: F) -> Result<Name, String>
where
    F: Fn(A) -> R + Copy + 'static,
    A: DeserializeOwned,
    R: Serialize,
{
    const {
        assert!(
            size_of::<F>() == 0,
            "only a function that captures nothing can be called in another process: pass the fn item or closure itself, \
             not a fn pointer, and hand over what it needs as the argument"
        );
    }
    let image = Image::get();
    let name = Name((Table::<F, A, R>::ENTRY as *const Entry as usize).wrapping_sub(image.base) as u64);
    match lookup(name) {
        Some(_) => Ok(name),
        None => Err(format!(
            "the function {} is not in the executable itself (in a shared library, perhaps), so no other process has it",
            std::any::type_name::<F>()
        )),
    }
}

/// The trampoline of the entry with this name. None if there is no such entry.
pub(crate) fn lookup(name: Name) -> Option<Run> {
    let image = Image::get();
    let start = image.base.wrapping_add(usize::try_from(name.0).ok()?);
    let end = start.checked_add(size_of::<Entry>())?;
    let aligned = start.is_multiple_of(align_of::<Entry>());
    if !aligned || !image.constant.iter().any(|part| part.start <= start && end <= part.end) {
        return None;
    }
    let words = NonNull::new(start as *mut [u64; size_of::<Entry>() / 8])?;
    // SAFETY: the place is aligned and lies wholly in a readable part of the image that nobody writes
    // (check 2), and any bytes are valid words.
    let words = unsafe { words.as_ref() };
    let [mark @ .., tail0, tail1] = words;
    let code = *mark.last()? as usize;
    let marked = hash([mark[0], mark[1]], [*tail0, *tail1]) == MARK_HASH;
    if !marked || !image.code.iter().any(|part| part.contains(&code)) {
        return None;
    }
    // SAFETY: the mark is on both sides (check 3), and it stands only in entries, so this is one.
    Some(unsafe { NonNull::from(words).cast::<Entry>().as_ref() }.run)
}

/// The trampoline.
fn run<F, A, R>(argument: &[u8], out: &mut Vec<u8>) -> Outcome
where
    F: Fn(A) -> R + Copy + 'static,
    A: DeserializeOwned,
    R: Serialize,
{
    // Unwind safe: after a panic only `out` is used again, and its owner cuts it to the length it had.
    let outcome = panics::catch(AssertUnwindSafe(|| {
        let argument = codec::decode::<A>(Part::Argument, argument)?;
        // The call may have a pool of its own: the blocks that go there are none of its result.
        codec::encode(Part::Result, &not_packing(|| conjure::<F>()(argument)), out)
    }));
    match outcome {
        Ok(Ok(())) => Outcome::Value,
        Ok(Err(why)) => Outcome::Failed(why),
        Err(report) => Outcome::Panicked(report),
    }
}

/// Makes a value of a type that has no size, from the type alone.
fn conjure<F: Copy + 'static>() -> F {
    const { assert!(size_of::<F>() == 0) };
    // SAFETY: reading a type without a size reads no memory, and a dangling pointer is aligned. A value of
    // F may exist here: the trampoline is reached only through an entry whose name was made from a value of
    // F, in `name`, by a process that runs the same build; F is Copy, so one more of it takes nothing from
    // anybody; and it captures nothing (the contract in the head of this file), so it holds no proof of
    // anything that is true of that process alone.
    unsafe { NonNull::<F>::dangling().read() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(n: u32) -> u32 {
        n * 2
    }

    #[test]
    fn a_name_leads_back_to_its_function() {
        let name = name(double).unwrap();
        let mut out = Vec::new();
        assert!(matches!(lookup(name).unwrap()(&[21], &mut out), Outcome::Value));
        assert_eq!(out, [42]);
    }

    #[test]
    fn a_closure_has_a_name_of_its_own() {
        let one = name(|n: u32| n + 1).unwrap();
        let two = name(|n: u32| n + 2).unwrap();
        assert_ne!(one, two);
    }

    #[test]
    fn no_other_place_in_the_image_is_an_entry() {
        let good = name(double).unwrap();
        for wrong in [0, 1, good.0 + 1, good.0 + 8, good.0 - 8, 1 << 40, 1 << 63, u64::MAX, u64::MAX - 7] {
            assert!(lookup(Name(wrong)).is_none(), "{wrong:#x} passed for an entry");
        }
        let code = (double as fn(u32) -> u32 as usize).wrapping_sub(Image::get().base);
        assert!(lookup(Name(code as u64)).is_none());
    }

    #[test]
    fn the_marks_stand_only_in_entries() {
        let image = Image::get();
        let mut entries = 0;
        for part in &image.constant {
            let first = (part.start.next_multiple_of(8) - image.base) as u64;
            let last = (part.end - image.base) as u64;
            entries += (first..last).step_by(8).filter(|&place| lookup(Name(place)).is_some()).count();
        }
        assert!((3..100).contains(&entries), "{entries} places look like entries");
    }
}
