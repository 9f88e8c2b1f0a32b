//! Loops that use the vector instructions of the processor at hand, and not only those of every processor
//! of its kind.
//!
//! A program is compiled for the oldest processor that it may meet: on x86-64 for vectors of 128 bits,
//! without a multiplication of 32-bit numbers among others. That matters in the pieces of a parallel loop
//! (`map_sum_1mi`). So each piece is compiled twice, and the choice is made when the program runs. Both
//! versions compute the same, also in floating point, where the compiler neither reorders nor fuses.

/// Calls `f`. The code that is compiled into it may use AVX2, if the processor has that. A call that is
/// not inlined does not change.
#[inline(always)]
pub(crate) fn with_widest<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn with_avx2<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { with_avx2(f) };
        }
    }
    f()
}
