//! The ports at which this process listens, as a stranger could find them by a scan.

use std::{collections::BTreeSet, fs};

/// The TCP ports of the loopback at which this process listens.
pub(crate) fn listening() -> BTreeSet<u16> {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let sockets: BTreeSet<String> = descriptors
        .filter_map(|entry| {
            let file = fs::read_link(entry.path()).ok()?;
            Some(file.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let port = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let is_ours =
            words.get(3) == Some(&"0A") && words.get(9).is_some_and(|inode| sockets.contains(*inode));
        let port = words.get(1)?.strip_prefix("0100007F:").filter(|_| is_ours)?;
        u16::from_str_radix(port, 16).ok()
    };
    fs::read_to_string("/proc/net/tcp").unwrap().lines().filter_map(port).collect()
}
