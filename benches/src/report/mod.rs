//! How results are reported: as a table or JSON, in `RESULTS.md`, in `README.md`, and by criterion, which
//! measures by itself.

pub mod criterion;
pub mod readme;
pub mod results;
pub mod table;
