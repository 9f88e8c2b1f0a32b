//! Waiting for many descriptors at a cost that does not grow with their number: `epoll`. Where there is none,
//! a list for `poll` that is kept from one wait to the next.
//!
//! Both report a descriptor for as long as it is ready. A port to kqueue goes here.

#[cfg(target_os = "linux")]
pub(crate) use self::epoll::Poller;
#[cfg(not(target_os = "linux"))]
pub(crate) use self::list::PollList as Poller;

/// The events for which a descriptor is watched. Its end is reported in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    Readable,
    ReadableOrWritable,
}

#[cfg(target_os = "linux")]
mod epoll {
    use super::Interest;
    use crate::sys::{self, again, check, own};
    use std::{
        io,
        os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
        time::Duration,
    };

    /// How many descriptors one wait reports. Others that are ready are reported by the next one.
    const MAX_EVENTS: usize = 256;

    /// A set of descriptors, each with a number by which it is reported.
    pub(crate) struct Poller {
        epoll: OwnedFd,
        events: Vec<libc::epoll_event>,
    }

    impl Poller {
        pub(crate) fn new() -> io::Result<Self> {
            // SAFETY: a plain system call.
            let epoll = own(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
            Ok(Self { epoll, events: vec![libc::epoll_event { events: 0, u64: 0 }; MAX_EVENTS] })
        }

        fn control(
            &self,
            operation: libc::c_int,
            fd: RawFd,
            number: u64,
            interest: Interest,
        ) -> io::Result<()> {
            let events = match interest {
                Interest::Readable => libc::EPOLLIN,
                Interest::ReadableOrWritable => libc::EPOLLIN | libc::EPOLLOUT,
            };
            let mut event = libc::epoll_event { events: events.cast_unsigned(), u64: number };
            // SAFETY: the event is ours, and is read during the call only; a wrong descriptor is refused.
            check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &raw mut event) }).map(drop)
        }

        /// Adds a descriptor. An error of kind `AlreadyExists` if it is in the set.
        pub(crate) fn add(&mut self, fd: BorrowedFd<'_>, number: u64, interest: Interest) -> io::Result<()> {
            self.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), number, interest)
        }

        /// Changes the events for which a descriptor of the set is watched.
        pub(crate) fn change(&mut self, fd: RawFd, number: u64, interest: Interest) -> io::Result<()> {
            self.control(libc::EPOLL_CTL_MOD, fd, number, interest)
        }

        /// Takes a descriptor out of the set. That it is not there is no error.
        pub(crate) fn remove(&mut self, fd: RawFd) {
            let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0, Interest::Readable);
        }

        /// Waits until a descriptor is ready or the time is over, and adds the numbers of the ready ones.
        pub(crate) fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<u64>) -> io::Result<()> {
            let millis = sys::millis(timeout);
            let events = &mut self.events;
            // SAFETY: the events are ours to write, and there are MAX_EVENTS of them.
            let found = unsafe {
                libc::epoll_wait(
                    self.epoll.as_raw_fd(),
                    events.as_mut_ptr(),
                    MAX_EVENTS as libc::c_int,
                    millis,
                )
            };
            match check(found) {
                Ok(count) => {
                    ready.extend(events.iter().take(count.unsigned_abs() as usize).map(|event| event.u64));
                    Ok(())
                }
                Err(error) if again(&error) => Ok(()),
                Err(error) => Err(error),
            }
        }
    }
}

/// Tested on every system, although Linux does not use it.
#[cfg(any(test, not(target_os = "linux")))]
mod list {
    use super::Interest;
    use crate::sys::{self, Watch};
    use std::{
        io,
        os::fd::{AsRawFd, BorrowedFd, RawFd},
        time::Duration,
    };

    /// A set of descriptors, each with a number by which it is reported.
    #[derive(Default)]
    pub(crate) struct PollList {
        watched: Vec<Watch>,
        /// The descriptor and the number of each.
        members: Vec<(RawFd, u64)>,
    }

    fn of_interest(watch: Watch, interest: Interest) -> Watch {
        match interest {
            Interest::Readable => watch.readable_only(),
            Interest::ReadableOrWritable => watch.writable_too(),
        }
    }

    impl PollList {
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self::default())
        }

        fn place(&self, fd: RawFd) -> Option<usize> {
            self.members.iter().position(|&(member, _)| member == fd)
        }

        /// Adds a descriptor. An error of kind `AlreadyExists` if it is in the set.
        pub(crate) fn add(&mut self, fd: BorrowedFd<'_>, number: u64, interest: Interest) -> io::Result<()> {
            if self.place(fd.as_raw_fd()).is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            self.watched.push(of_interest(Watch::readable(fd), interest));
            self.members.push((fd.as_raw_fd(), number));
            Ok(())
        }

        /// Changes the events for which a descriptor of the set is watched.
        pub(crate) fn change(&mut self, fd: RawFd, number: u64, interest: Interest) -> io::Result<()> {
            let place = self.place(fd).ok_or(io::ErrorKind::NotFound)?;
            self.members[place].1 = number;
            self.watched[place] = of_interest(self.watched[place], interest);
            Ok(())
        }

        /// Takes a descriptor out of the set. That it is not there is no error.
        pub(crate) fn remove(&mut self, fd: RawFd) {
            if let Some(place) = self.place(fd) {
                self.members.swap_remove(place);
                self.watched.swap_remove(place);
            }
        }

        /// Waits until a descriptor is ready or the time is over, and adds the numbers of the ready ones.
        pub(crate) fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<u64>) -> io::Result<()> {
            sys::poll(&mut self.watched, timeout)?;
            let both = self.watched.iter().zip(&self.members);
            ready.extend(both.filter(|(watch, _)| watch.is_ready()).map(|(_, &(_, number))| number));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Interest, list};
    use std::{
        io::{ErrorKind, Read, Write},
        os::{
            fd::{AsFd, AsRawFd},
            unix::net::UnixStream,
        },
        time::Duration,
    };

    /// The same test for both.
    macro_rules! ready_descriptors_are_reported {
        ($name:ident, $poller:ty) => {
            #[test]
            fn $name() {
                let mut poller = <$poller>::new().unwrap();
                let ready = |poller: &mut $poller| {
                    let mut ready = Vec::new();
                    poller.wait(Some(Duration::ZERO), &mut ready).unwrap();
                    ready.sort_unstable();
                    ready
                };
                let (mut ours, mut theirs) = UnixStream::pair().unwrap();
                let (other, other_end) = UnixStream::pair().unwrap();
                poller.add(ours.as_fd(), 7, Interest::Readable).unwrap();
                poller.add(other.as_fd(), 8, Interest::Readable).unwrap();
                let twice = poller.add(ours.as_fd(), 9, Interest::Readable).unwrap_err();
                assert_eq!(twice.kind(), ErrorKind::AlreadyExists);
                assert!(ready(&mut poller).is_empty());
                theirs.write_all(b"x").unwrap();
                assert_eq!(ready(&mut poller), [7]);
                assert_eq!(ready(&mut poller), [7], "for as long as it is ready");
                ours.read_exact(&mut [0]).unwrap();
                poller.change(ours.as_raw_fd(), 7, Interest::ReadableOrWritable).unwrap();
                assert_eq!(ready(&mut poller), [7]);
                poller.change(ours.as_raw_fd(), 7, Interest::Readable).unwrap();
                drop(other_end);
                assert_eq!(ready(&mut poller), [8], "an end is reported");
                poller.remove(other.as_raw_fd());
                poller.remove(other.as_raw_fd());
                assert!(ready(&mut poller).is_empty());
            }
        };
    }

    #[cfg(target_os = "linux")]
    ready_descriptors_are_reported!(ready_descriptors_are_reported_by_epoll, super::epoll::Poller);
    ready_descriptors_are_reported!(ready_descriptors_are_reported_by_a_list, list::PollList);
}
