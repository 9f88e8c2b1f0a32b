//! The house rules that a program can check, so that they cannot rot.
//!
//! `source` reads the workspace. The rules are in `code` (Rust files), `budget` (operations that are ready
//! again and again), `crates` (dependencies), `imports` (the files of one crate), `targets` (the binaries of
//! tests), `search` (the names that others use), `names`, `voice` (the sentences of comments and documents),
//! `prose` (links) and `pages` (two pages for readers). Each rule collects every breach, and fails once with
//! all of them.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

mod budget;
mod code;
mod crates;
mod imports;
mod names;
mod pages;
mod prose;
mod search;
mod source;
mod targets;
mod voice;

/// Fails with every breach of a rule.
fn demand(rule: &str, breaches: Vec<String>) {
    assert!(breaches.is_empty(), "{rule}:\n  {}\n", breaches.join("\n  "));
}
