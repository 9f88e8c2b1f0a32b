//! The loaded executable: where it lies, which parts of it are constant, and which build it is.
//!
//! A function is named by an address relative to where the image was loaded (`call/entry.rs`). The name
//! means the same in two processes exactly if both run the same build. The fingerprint says whether they
//! do: a hash of the program headers and of the notes, which hold the linker's build id. A build without
//! one is hashed by its code.

// Unsafe: reads the loader's description of the executable.
#[allow(unsafe_code)]
mod sys;
pub(crate) mod xxh64;

use brigade_handle::fork::PerProcess;
use std::{fs, io, ops::Range, path::PathBuf};

/// Leads to the very file that runs, even if another was put in its place since, or it was deleted.
pub(crate) const SELF: &str = "/proc/self/exe";

/// The description of the executable that this process runs.
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
        // This is not a `OnceLock`, on which a forked child might wait for a thread of its parent.
        static IMAGE: PerProcess<Image> = PerProcess::new();
        IMAGE.get_or_init(sys::read)
    }
}

/// Checks that this process can start its program again, by the argv of [`Command`](crate::Command).
///
/// # Errors
///
/// If that would start something else, or nothing.
pub(crate) fn can_be_started_again() -> io::Result<()> {
    // The answer does not change while a process lives, but for `/proc`, without which the exec says so.
    static REFUSAL: PerProcess<Option<(io::ErrorKind, String)>> = PerProcess::new();
    match REFUSAL.get_or_init(refusal) {
        Some((kind, why)) => Err(io::Error::new(*kind, format!("{REFUSED}: {why}"))),
        None => Ok(()),
    }
}

const REFUSED: &str = "this program cannot be started again as a worker";

fn refusal() -> Option<(io::ErrorKind, String)> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    if let Err(error) = fs::metadata(SELF) {
        return Some((error.kind(), format!("{SELF} does not lead to it; is /proc mounted? ({error})")));
    }
    if !sys::is_run_by_loader() {
        return None;
    }
    let loader = fs::read_link(SELF).unwrap_or_default();
    let why = format!(
        "the loader was started as a command (`{} program`), so {SELF} is the loader; start the program itself",
        loader.display()
    );
    Some((io::ErrorKind::Unsupported, why))
}

/// The path by which a command can start this program.
///
/// # Errors
///
/// As for [`can_be_started_again`], and if the file was deleted or moved.
pub(crate) fn path() -> io::Result<PathBuf> {
    can_be_started_again()?;
    let path = std::env::current_exe()?;
    if path.is_file() {
        return Ok(path);
    }
    let why = format!("{REFUSED}: its file was deleted or moved: {}", path.display());
    Err(io::Error::new(io::ErrorKind::NotFound, why))
}
