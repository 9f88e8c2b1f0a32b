//! What is told of measurements: `table` for people and JSON for programs, `results` in `RESULTS.md`, and `criterion`,
//! which measures by itself.

pub mod criterion;
pub mod results;
pub mod table;
