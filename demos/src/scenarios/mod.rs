//! The scenarios, one file (or folder) each, in the order of the document.

pub mod cpu;
pub mod io;
pub mod serve;
pub mod tour;
