//! Nothing to use: this package holds the tests that no single crate can hold. See its `tests` folder.

/// The examples of `README.md`, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
