//! Descriptors that travel over a socket beside bytes (`SCM_RIGHTS`). A port must provide all of it.
//!
//! The kernel keeps the order: a read of the first byte of a message gets the descriptors that came along
//! with it, and never in one piece with those of the next message. So the receiver queues what it gets, and
//! takes it up frame by frame.

use crate::sys::again;
use std::{
    io,
    mem::{self, MaybeUninit},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

/// The most descriptors that go along with one message.
pub(crate) const MESSAGE_DESCRIPTORS: usize = 32;

/// Room for the control message of [`MESSAGE_DESCRIPTORS`], aligned as its header needs.
type Control = [u64; 2 + MESSAGE_DESCRIPTORS / 2];

/// The error number of a process that is at its limit of descriptors.
pub(crate) const AT_LIMIT: i32 = libc::EMFILE;

/// Whether this process, or the system, is at a limit, so that other ways to the same file would fail, too.
pub(crate) fn is_at_limit(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

/// The descriptors that came along with one message.
#[derive(Debug, Default)]
pub(crate) struct PassedDescriptors(Vec<OwnedFd>);

impl PassedDescriptors {
    /// All of them, if there are `count`: this process may have been at its limit of descriptors, and then
    /// the kernel has closed the others.
    pub(crate) fn all(self, count: usize) -> io::Result<Vec<OwnedFd>> {
        if self.0.len() == count {
            return Ok(self.0);
        }
        let why = format!(
            "{} of {count} descriptors arrived, perhaps because this process is at its limit (`ulimit -n`)",
            self.0.len()
        );
        Err(io::Error::other(why))
    }
}

/// A message whose parts live as long as the arguments.
fn message(part: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: all zeros is an empty message.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of::<Control>() as _;
    message
}

/// The lengths of the control message for `count` descriptors: of its header, and of the whole.
fn lengths(count: usize) -> (u32, u32) {
    let bytes = u32::try_from(count * size_of::<RawFd>()).unwrap_or(0);
    // SAFETY: arithmetic only.
    let length = unsafe { libc::CMSG_LEN(bytes) };
    // SAFETY: arithmetic only.
    (length, unsafe { libc::CMSG_SPACE(bytes) })
}

/// Sends bytes, at least one, and descriptors along with the first of them: at most
/// [`MESSAGE_DESCRIPTORS`]. Returns how many bytes went; after an error none did.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    send_with(socket, bytes, fds, 0)
}

/// [`send`] that never waits.
pub(crate) fn send_at_once(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    send_with(socket, bytes, fds, libc::MSG_DONTWAIT)
}

fn send_with(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    flags: libc::c_int,
) -> io::Result<usize> {
    let mut control: Control = [0; _];
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut message = message(&mut part, &mut control);
    let (length, space) = lengths(fds.len().min(MESSAGE_DESCRIPTORS));
    message.msg_controllen = space as _;
    // SAFETY: the message has a control buffer that is longer than a header.
    let header = unsafe { libc::CMSG_FIRSTHDR(&message) };
    let filled =
        libc::cmsghdr { cmsg_len: length as _, cmsg_level: libc::SOL_SOCKET, cmsg_type: libc::SCM_RIGHTS };
    // SAFETY: the header lies in `control`, which is aligned for it.
    unsafe { header.write(filled) };
    // SAFETY: the data begin behind the header, in `control`.
    let data = unsafe { libc::CMSG_DATA(header) };
    for (index, fd) in fds.iter().take(MESSAGE_DESCRIPTORS).enumerate() {
        // SAFETY: `control` has room for so many numbers behind the header.
        let place = unsafe { data.cast::<RawFd>().add(index) };
        // SAFETY: as above; the data need not be aligned.
        unsafe { place.write_unaligned(fd.as_raw_fd()) };
    }
    loop {
        // SAFETY: the message and all that it points to live across the call, which only reads.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL | flags) };
        let error = io::Error::last_os_error();
        match usize::try_from(sent) {
            Ok(sent) => return Ok(sent),
            Err(_) if again(&error) => {}
            Err(_) => return Err(error),
        }
    }
}

/// Receives the bytes that have arrived, and the descriptors that came along; 0 bytes are the end of the
/// stream. Waits as the socket does.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    into: &mut [u8],
) -> io::Result<(usize, Option<PassedDescriptors>)> {
    receive_with(socket, into, 0)
}

/// [`receive`] that never waits.
pub(crate) fn receive_at_once(
    socket: BorrowedFd<'_>,
    into: &mut [u8],
) -> io::Result<(usize, Option<PassedDescriptors>)> {
    receive_with(socket, into, libc::MSG_DONTWAIT)
}

fn receive_with(
    socket: BorrowedFd<'_>,
    into: &mut [u8],
    flags: libc::c_int,
) -> io::Result<(usize, Option<PassedDescriptors>)> {
    let mut control: Control = [0; _];
    let mut part = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    loop {
        let mut message = message(&mut part, &mut control);
        let flags = flags | libc::MSG_CMSG_CLOEXEC;
        // SAFETY: the message and all that it points to live across the call, and are borrowed for writing.
        let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, flags) };
        let error = io::Error::last_os_error();
        match usize::try_from(received) {
            Ok(received) => return Ok((received, along(&message))),
            Err(_) if again(&error) => {}
            Err(_) => return Err(error),
        }
    }
}

fn along(message: &libc::msghdr) -> Option<PassedDescriptors> {
    // The kernel has closed the descriptors that did not fit, perhaps all of them: then there is no header.
    let were_lost = message.msg_flags & libc::MSG_CTRUNC != 0;
    // SAFETY: the kernel has filled the message in.
    let header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: null, or a header in the control buffer.
    let filled = unsafe { header.as_ref() };
    let is_rights = |header: &&libc::cmsghdr| {
        header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_RIGHTS
    };
    let Some(filled) = filled.filter(is_rights) else { return were_lost.then(PassedDescriptors::default) };
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
    Some(PassedDescriptors((0..bytes / mem::size_of::<RawFd>()).map(read).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs::File,
        io::{Read, Seek, Write},
        os::{fd::AsFd, unix::net::UnixStream},
    };

    #[test]
    fn descriptors_come_with_the_first_byte_of_their_message() {
        let (one, other) = UnixStream::pair().unwrap();
        let null = File::open("/dev/null").unwrap();
        let many = [null.as_fd(); MESSAGE_DESCRIPTORS];
        (&one).write_all(b"before").unwrap();
        assert_eq!(send(one.as_fd(), b"one", &many[..1]).unwrap(), 3);
        assert_eq!(send(one.as_fd(), b"many", &many).unwrap(), 4);
        (&one).write_all(b"after").unwrap();
        let mut space = [0; 100];
        let (mut bytes, mut counts) = (Vec::new(), Vec::new());
        while bytes.len() < 18 {
            let (received, along) = receive(other.as_fd(), &mut space).unwrap();
            let before = bytes.len();
            bytes.extend_from_slice(&space[..received]);
            counts.extend(along.map(|along| (before <= 6, along.0.len())));
        }
        assert_eq!(bytes, b"beforeonemanyafter");
        assert_eq!(counts, [(true, 1), (false, MESSAGE_DESCRIPTORS)]);
    }

    #[test]
    fn they_are_the_same_open_files() {
        let (one, other) = UnixStream::pair().unwrap();
        let mut file = File::from(crate::system::memory::memfd(c"test", 4).unwrap());
        file.write_all(b"soup").unwrap();
        send(one.as_fd(), b"!", &[file.as_fd()]).unwrap();
        drop(file);
        let (_, along) = receive_at_once(other.as_fd(), &mut [0; 1]).unwrap();
        let mut file = File::from(along.unwrap().all(1).unwrap().pop().unwrap());
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "soup");
    }
}
