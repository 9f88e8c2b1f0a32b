//! Long parts of plain values, such as a `Vec<u8>`, in blocks that nobody has asked for.

use super::{BlockMut, Inner, attachments};
use crate::wire::ring::WIDE_BYTES;
use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The lengths, in bytes, of parts of plain values that travel in blocks of their own: shorter ones fit
/// into the ring or cost less to copy, and the memory of longer ones is not to be kept.
const CARRIED_BYTES: RangeInclusive<usize> = WIDE_BYTES..=8 << 20;
/// How many such blocks this process may have made at a time. Each has a descriptor, of which the program
/// wants some itself.
const MAX_CARRIERS: usize = 64;
/// The blocks of this kind that this process has made and not dropped.
static CARRIERS: AtomicUsize = AtomicUsize::new(0);

/// Copies a part of a value into a block of its own that the message names, and returns its number there.
/// None if the part has to travel with the message.
pub(crate) fn carry(bytes: &[u8]) -> Option<u32> {
    // Relaxed: some threads may make one more each.
    let is_allowed = || CARRIERS.load(Ordering::Relaxed) < MAX_CARRIERS;
    if !CARRIED_BYTES.contains(&bytes.len()) || !attachments::has_room() || !is_allowed() {
        return None;
    }
    // Without memory for it, the part travels with the message.
    let mut block = BlockMut::<u8>::recycled(bytes.len()).ok()?;
    block.copy_from_slice(bytes);
    let mut inner = Inner::new(block.mapping, block.forks);
    inner.is_carrier = true;
    CARRIERS.fetch_add(1, Ordering::Relaxed);
    attachments::pack(&Arc::new(inner))
}

/// A part of a value that came in a block of its own.
pub(crate) struct Carried {
    inner: Arc<Inner>,
    length: usize,
}

impl Carried {
    /// Takes the part that has this number in the message, and this many bytes.
    pub(crate) fn take(number: u32, length: usize) -> Result<Self, String> {
        let inner = attachments::unpack(number)?;
        if length > inner.mapping().capacity() {
            return Err("a part of it is longer than the block that it came in".into());
        }
        Ok(Self { inner, length })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.inner.mapping().elements(self.length)
    }
}

/// Counts such a block as dropped.
pub(super) fn forget() {
    // Relaxed: a count that nothing hangs on.
    CARRIERS.fetch_sub(1, Ordering::Relaxed);
}
