//! As [`os::net`], with the methods that reactors use.

mod tcp;
mod udp;
mod unix;
mod unix_datagram;

pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixListener, UnixStream};
pub use unix_datagram::UnixDatagram;

/// Implements `event::Source` and `AsFd` for a type around an `Either`.
macro_rules! source {
    ($type:ty, $name:literal) => {
        impl $crate::event::Source for $type {
            fn register(
                &mut self,
                registry: &$crate::Registry,
                token: $crate::Token,
                interests: $crate::Interest,
            ) -> ::std::io::Result<()> {
                self.0.register($name, registry, token, interests)
            }

            fn reregister(
                &mut self,
                registry: &$crate::Registry,
                token: $crate::Token,
                interests: $crate::Interest,
            ) -> ::std::io::Result<()> {
                self.0.reregister($name, registry, token, interests)
            }

            fn deregister(&mut self, registry: &$crate::Registry) -> ::std::io::Result<()> {
                self.0.deregister($name, registry)
            }
        }

        $crate::net::descriptor!($type);
    };
}
pub(crate) use source;

/// Implements `AsFd` and `AsRawFd` for a type around an `Either`.
macro_rules! descriptor {
    ($type:ty) => {
        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                match &self.0 {
                    Either::Os(os) => os.as_fd(),
                    Either::Simulated(socket) => socket.as_fd(),
                }
            }
        }

        impl ::std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> ::std::os::fd::RawFd {
                ::std::os::fd::AsRawFd::as_raw_fd(&self.as_fd())
            }
        }
    };
}
pub(crate) use descriptor;

/// Implements the conversions from and to an owned descriptor. A simulated socket has none to give away.
macro_rules! owned {
    ($type:ty, $os:ty, $call:literal) => {
        impl From<OwnedFd> for $type {
            fn from(descriptor: OwnedFd) -> Self {
                Self(Either::Os(<$os>::from(descriptor)))
            }
        }

        impl From<$type> for OwnedFd {
            /// # Panics
            ///
            /// Panics if the socket is simulated.
            #[track_caller]
            fn from(ours: $type) -> Self {
                match ours.0 {
                    Either::Os(os) => os.into(),
                    Either::Simulated(_) => panic!(
                        "an explored run cannot do {}: the socket is simulated, and the operating system has \
                         no descriptor for it",
                        $call
                    ),
                }
            }
        }
    };
}
pub(crate) use owned;

/// Implements `Read` for a type around an `Either`, and for a reference to it.
macro_rules! read {
    ($type:ty) => {
        impl Read for $type {
            fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
                (&*self).read(bytes)
            }

            fn read_vectored(&mut self, places: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                (&*self).read_vectored(places)
            }
        }

        impl Read for &$type {
            fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
                match &self.0 {
                    Either::Os(os) => (&mut &*os).read(bytes),
                    Either::Simulated(socket) => socket.read(&mut [IoSliceMut::new(bytes)]),
                }
            }

            fn read_vectored(&mut self, places: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                match &self.0 {
                    Either::Os(os) => (&mut &*os).read_vectored(places),
                    Either::Simulated(socket) => socket.read(places),
                }
            }
        }
    };
}
pub(crate) use read;

/// Implements `Write` for a type around an `Either`, and for a reference to it.
macro_rules! write {
    ($type:ty) => {
        impl Write for $type {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                (&*self).write(bytes)
            }

            fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
                (&*self).write_vectored(slices)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl Write for &$type {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                match &self.0 {
                    Either::Os(os) => (&mut &*os).write(bytes),
                    Either::Simulated(socket) => socket.write(&[IoSlice::new(bytes)]),
                }
            }

            fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
                match &self.0 {
                    Either::Os(os) => (&mut &*os).write_vectored(slices),
                    Either::Simulated(socket) => socket.write(slices),
                }
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}
pub(crate) use write;
