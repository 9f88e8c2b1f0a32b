//! The house rules that a program can check, so that they cannot rot.
//!
//! `source` reads the workspace; `code` holds the rules on Rust files, `budget` the one on operations that are ready again and again, `crates` those on what may depend on what, `imports` those on
//! the files of one crate, `targets` the one on test files, `names` and `voice` those on names and on prose, and `prose` those on documents. Each rule collects every breach and fails once, with all of them.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

mod budget;
mod code;
mod crates;
mod imports;
mod names;
mod pages;
mod prose;
mod source;
mod targets;
mod voice;

/// Fails with every breach of a rule.
fn demand(rule: &str, breaches: Vec<String>) {
    assert!(breaches.is_empty(), "{rule}:\n  {}\n", breaches.join("\n  "));
}
