//! The system calls of a zygote: descriptors over a socket, and a fork whose child is the caller's sibling. A port must provide
//! all of them; there is no zygote elsewhere.

use std::{
    io,
    mem::{self, MaybeUninit},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

use super::MOST;

/// Room for the control message of [`MOST`] descriptors, aligned as its header wants.
type Control = [u64; 8];

/// A message of one byte, whose parts live as long as the arguments.
fn message(byte: &mut u8, part: &mut MaybeUninit<libc::iovec>, control: &mut Control) -> libc::msghdr {
    let part = part.write(libc::iovec { iov_base: ptr::from_mut(byte).cast(), iov_len: 1 });
    // SAFETY: all zeros is an empty message.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of::<Control>() as _;
    message
}

/// How long the control message of so many descriptors is: its header and the whole.
fn lengths(count: usize) -> (u32, u32) {
    let bytes = u32::try_from(count * size_of::<RawFd>()).unwrap_or(0);
    // SAFETY: arithmetic only.
    let length = unsafe { libc::CMSG_LEN(bytes) };
    // SAFETY: arithmetic only.
    (length, unsafe { libc::CMSG_SPACE(bytes) })
}

/// Sends a byte and descriptors along with it: at most [`MOST`].
pub(super) fn send(socket: BorrowedFd<'_>, mut byte: u8, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let (mut part, mut control) = (MaybeUninit::uninit(), Control::default());
    let mut message = message(&mut byte, &mut part, &mut control);
    let (length, space) = lengths(fds.len().min(MOST));
    message.msg_controllen = space as _;
    // SAFETY: the message has a control buffer that is longer than a header.
    let header = unsafe { libc::CMSG_FIRSTHDR(&message) };
    let filled =
        libc::cmsghdr { cmsg_len: length as _, cmsg_level: libc::SOL_SOCKET, cmsg_type: libc::SCM_RIGHTS };
    // SAFETY: the header lies in `control`, which is aligned for it.
    unsafe { header.write(filled) };
    // SAFETY: the data begin behind the header, in `control`.
    let data = unsafe { libc::CMSG_DATA(header) };
    for (index, fd) in fds.iter().take(MOST).enumerate() {
        // SAFETY: `control` has room for so many numbers behind the header.
        let place = unsafe { data.cast::<RawFd>().add(index) };
        // SAFETY: as above; the data need not be aligned.
        unsafe { place.write_unaligned(fd.as_raw_fd()) };
    }
    // SAFETY: the message and all that it points to live across the call.
    match unsafe { libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL) } {
        1 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Receives a byte and what came along; None at the end of the stream.
pub(super) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<(u8, Vec<OwnedFd>)>> {
    let mut byte = 0;
    let (mut part, mut control) = (MaybeUninit::uninit(), Control::default());
    let mut message = message(&mut byte, &mut part, &mut control);
    let received = loop {
        // SAFETY: the message and all that it points to live across the call.
        let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC) };
        let error = io::Error::last_os_error();
        if received != -1 {
            break received;
        }
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    };
    let fds = descriptors(&message);
    Ok((received > 0).then_some((byte, fds)))
}

fn descriptors(message: &libc::msghdr) -> Vec<OwnedFd> {
    // SAFETY: the kernel has filled the message in.
    let header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: null, or a header in the control buffer.
    let Some(filled) = (unsafe { header.as_ref() }) else { return Vec::new() };
    if filled.cmsg_level != libc::SOL_SOCKET || filled.cmsg_type != libc::SCM_RIGHTS {
        return Vec::new();
    }
    // SAFETY: the data begin behind the header.
    let data = unsafe { libc::CMSG_DATA(header) };
    #[allow(clippy::unnecessary_cast, reason = "the type differs among systems")]
    let bytes = (filled.cmsg_len as usize).saturating_sub(lengths(0).0 as usize);
    let read = |index: usize| {
        // SAFETY: the kernel says that there are so many bytes.
        let place = unsafe { data.cast::<RawFd>().add(index) };
        // SAFETY: as above; the data need not be aligned.
        let fd = unsafe { place.read_unaligned() };
        // SAFETY: the kernel has just made this descriptor for us.
        unsafe { OwnedFd::from_raw_fd(fd) }
    };
    (0..bytes / mem::size_of::<RawFd>()).map(read).collect()
}

/// Forks; the child's parent is this process's own parent. 0 in the child.
///
/// It does what the C library's `fork` does in a process with one thread, but for handlers that were registered with
/// `pthread_atfork`: the kernel writes the child's id where the library keeps it.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn fork_sibling() -> io::Result<i32> {
    let mut place: *mut libc::c_int = ptr::null_mut();
    // SAFETY: the call writes one pointer, or fails where the kernel does not tell.
    unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut place) };
    let mut flags = libc::CLONE_PARENT | libc::SIGCHLD;
    if !place.is_null() {
        flags |= libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID;
    }
    let none = ptr::null_mut::<libc::c_void>();
    // The two last arguments are the place for the child's id, and the thread's storage, which stays as it is.
    let (fourth, fifth) =
        if cfg!(target_arch = "x86_64") { (place.cast(), none) } else { (none, place.cast()) };
    // SAFETY: without a stack and without CLONE_VM the child is a copy of this process, as after fork. This process has one thread
    // (`is_single_threaded` was asked), so the child may go on with all that it has. `place` is what this thread registered.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags as libc::c_ulong, none, none, fourth, fifth) };
    match i32::try_from(pid) {
        Ok(pid) if pid >= 0 => Ok(pid),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Elsewhere the raw call's arguments have another order, or there is none.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(super) fn fork_sibling() -> io::Result<i32> {
    Err(io::ErrorKind::Unsupported.into())
}
