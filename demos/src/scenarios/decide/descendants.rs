//! The descendants of this process, and their end.

use crate::sys;
use std::{collections::HashMap, fs, process, thread, time::Duration};

/// The pause between two looks for descendants that are left.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// How often to look at most. A process that the system does not let us kill is then left alone.
const LOOKS_MAX: u32 = 200;

/// Kills all descendants of this process, and those that they start meanwhile.
pub(super) fn kill_all() {
    for _ in 0..LOOKS_MAX {
        let left = alive();
        if left.is_empty() {
            return;
        }
        left.into_iter().for_each(sys::kill);
        thread::sleep(LOOK_INTERVAL);
    }
}

/// The descendants of this process that still run: a zombie does not.
fn alive() -> Vec<u32> {
    let mut children: HashMap<u32, Vec<(u32, bool)>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if let Some((parent, is_zombie)) = parent_and_state(&stat) {
            children.entry(parent).or_default().push((pid, is_zombie));
        }
    }
    let (mut found, mut parents) = (Vec::new(), vec![process::id()]);
    while let Some(parent) = parents.pop() {
        for (pid, is_zombie) in children.remove(&parent).unwrap_or_default() {
            parents.push(pid);
            found.extend((!is_zombie).then_some(pid));
        }
    }
    found
}

/// Reads `/proc/PID/stat`: the parent, and whether the process is a zombie.
fn parent_and_state(stat: &str) -> Option<(u32, bool)> {
    // The name is in parentheses and may hold anything, also a parenthesis.
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    let state = words.next()?;
    Some((words.next()?.parse().ok()?, matches!(state, "Z" | "X")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_read_behind_any_name() {
        assert_eq!(parent_and_state("12 (a b) c) S 7 12 12 0 -1"), Some((7, false)));
        assert_eq!(parent_and_state("12 (cook) Z 7 12 12 0 -1"), Some((7, true)));
        assert_eq!(parent_and_state(""), None);
    }
}
