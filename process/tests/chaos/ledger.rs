//! A file in which calls write their numbers when they start: it shows how often each was started, whatever
//! became of it.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::Write,
    path::PathBuf,
};

/// The path of the file, which is removed when this is dropped.
pub(crate) struct Ledger(PathBuf);

impl Ledger {
    pub(crate) fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        File::create(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> String {
        self.0.to_str().unwrap().to_owned()
    }

    /// How often each number was written.
    pub(crate) fn counts(&self) -> HashMap<u64, u32> {
        let mut counts = HashMap::new();
        let bytes = fs::read(&self.0).unwrap();
        let (numbers, rest) = bytes.as_chunks::<8>();
        assert!(rest.is_empty(), "a number is written whole");
        for number in numbers {
            *counts.entry(u64::from_le_bytes(*number)).or_insert(0) += 1;
        }
        counts
    }

    /// The number that was written last.
    pub(crate) fn last(&self) -> Option<u64> {
        let bytes = fs::read(&self.0).unwrap();
        bytes.as_chunks::<8>().0.last().map(|number| u64::from_le_bytes(*number))
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // The file may be missing.
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes its number, as a call, and returns it.
pub(crate) fn enter((path, number): (String, u64)) -> u64 {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(&number.to_le_bytes()).unwrap();
    number
}
