//! A library with defects. It stands for one in C: it ends the process for some inputs, and reads from
//! where nothing is for others.

use std::ptr;

/// Returns a checksum of the text.
///
/// Ends the process if the text is an `abort`, reads from a bad address if it is a `segfault`, and never
/// returns if it is `endless`.
pub(crate) fn checksum(text: &str) -> u32 {
    match text {
        "abort" => {
            // SAFETY: the call has no preconditions. It does not return.
            unsafe { libc::abort() }
        }
        "segfault" => u32::from(read_from_nowhere()),
        "endless" => loop {
            std::hint::spin_loop();
        },
        text => text.bytes().fold(0, |sum, byte| sum.rotate_left(5) ^ u32::from(byte)),
    }
}

/// Reads from a page that may not be read: the processor traps, and the kernel sends SIGSEGV.
fn read_from_nowhere() -> u8 {
    let (len, no_access) = (4096, libc::PROT_NONE);
    // SAFETY: it maps fresh memory wherever there is room, so it touches none that is in use.
    let page =
        unsafe { libc::mmap(ptr::null_mut(), len, no_access, libc::MAP_PRIVATE | libc::MAP_ANON, -1, 0) };
    // SAFETY: the page is ours, and lies outside of everything that the compiler knows of. The read does not
    // return.
    unsafe { ptr::read_volatile(page.cast::<u8>()) }
}
