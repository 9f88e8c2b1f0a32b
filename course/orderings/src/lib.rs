//! The orders of lab 8's deque, modelled by loom.
//!
//! The grader's runs are sequentially consistent: every thread sees all writes in one order. Real processors
//! and compilers promise less, unless the code asks for it by `Release`, `Acquire` and fences. loom tries the
//! orders that they may choose. So the grader finds wrong protocols, and loom finds wrong orders.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test --release --target-dir target/loom -p brigade-course-orderings
//! ```
//!
//! The variable `BRIGADE_DEQUE` names a student's `lib.rs`, to be modelled in place of the reference.
