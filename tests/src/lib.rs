//! Nothing to use: this package holds the tests that no single crate can hold. See its `tests` folder.
