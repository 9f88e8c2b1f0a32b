//! The platform wall of this test: breaking a descriptor that is in use.

use std::{fs, io, os::fd::AsRawFd};

/// Puts another file in the place of every epoll descriptor of this process. Nobody else may use one.
pub(crate) fn break_all_reactors() -> io::Result<usize> {
    let null = fs::File::open("/dev/null")?;
    let mut broken = 0;
    for entry in fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        let is_epoll = fs::read_link(&path).is_ok_and(|to| to.to_string_lossy().contains("eventpoll"));
        let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        if let Some(number) = number.filter(|_| is_epoll) {
            // SAFETY: the descriptor stays one, and its owner may use and close it as before.
            if unsafe { libc::dup2(null.as_raw_fd(), number) } < 0 {
                return Err(io::Error::last_os_error());
            }
            broken += 1;
        }
    }
    Ok(broken)
}
