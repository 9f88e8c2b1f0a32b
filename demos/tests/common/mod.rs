//! The parts that the tests of the program share: `program` runs it and reads what it prints, `folder` makes
//! temporary folders.

// Each test binary uses a part of this.
#![allow(dead_code)]

pub(crate) mod folder;
pub(crate) mod program;
