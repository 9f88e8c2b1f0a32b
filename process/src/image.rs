//! The loaded executable: where it lies, which parts of it are constant, and which build it is.
//!
//! A function is named by an address relative to where the image was loaded (`entry.rs`); that means the same in two
//! processes exactly if both run the same build. The fingerprint says whether they do: a hash of the program headers and of
//! the notes, which hold the linker's build id. A build without one is hashed by its code.

// Unsafe: reads the loader's description of the executable.
#[allow(unsafe_code)]
mod sys;

use std::{ops::Range, sync::OnceLock};

/// What there is to know about the executable that this process runs.
#[derive(Debug)]
pub(crate) struct Image {
    /// Where address 0 of the file came to lie.
    pub(crate) base: usize,
    /// Readable parts that are not written after the program has been loaded.
    pub(crate) constant: Vec<Range<usize>>,
    /// Executable parts.
    pub(crate) code: Vec<Range<usize>>,
    pub(crate) fingerprint: u64,
}

impl Image {
    pub(crate) fn get() -> &'static Self {
        static IMAGE: OnceLock<Image> = OnceLock::new();
        IMAGE.get_or_init(sys::read)
    }
}
