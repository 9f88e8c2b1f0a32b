//! Loops that use what vector instructions the processor has, and not only those that each of its kind has.
//!
//! A program is compiled for the oldest processor that it may meet: on x86-64 for vectors of 128 bits, without a multiplication of 32-bit
//! numbers among others. In the pieces of a parallel loop that matters (`map_sum_1mi`), so they are compiled twice, and which of the two
//! runs is decided when the program does. They calculate the same, also in floating point, where the compiler neither reorders nor fuses.

/// Calls `f`: what is compiled into it may use AVX2, if the processor has that. A call that is not inlined is what it was.
#[inline(always)]
pub(crate) fn with_widest<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn with_avx2<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has it.
            return unsafe { with_avx2(f) };
        }
    }
    f()
}
