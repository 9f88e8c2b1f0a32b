//! Conversions between our types and the descriptors beneath them.

/// Implements `AsFd` and `AsRawFd` by an expression that borrows the descriptor, so that users can set
/// options that have no method here. The arguments are `Type, |this| expression`.
macro_rules! as_fd {
    ($type:ty, |$this:ident| $fd:expr) => {
        impl ::std::os::fd::AsFd for $type {
            fn as_fd(&self) -> ::std::os::fd::BorrowedFd<'_> {
                let $this = self;
                $crate::driver::explored::for_user($fd, stringify!($type))
            }
        }

        impl ::std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> ::std::os::fd::RawFd {
                ::std::os::fd::AsRawFd::as_raw_fd(&::std::os::fd::AsFd::as_fd(self))
            }
        }
    };
}
pub(crate) use as_fd;

/// Implements the conversions from and to the type of the standard library, an owned descriptor and, from
/// ours only, the stream of a child process. The type must have the functions `from_std` and `into_std`.
///
/// They can fail, because each sets the descriptor to non-blocking or to blocking.
macro_rules! conversions {
    ($type:ty, $std:ty) => {
        impl TryFrom<$std> for $type {
            type Error = ::std::io::Error;

            /// Does the same as `from_std`.
            #[track_caller]
            fn try_from(std: $std) -> ::std::io::Result<Self> {
                Self::from_std(std)
            }
        }

        impl TryFrom<::std::os::fd::OwnedFd> for $type {
            type Error = ::std::io::Error;

            /// Does the same as `from_std`, for a descriptor that is known to be of that kind.
            #[track_caller]
            fn try_from(fd: ::std::os::fd::OwnedFd) -> ::std::io::Result<Self> {
                Self::from_std(fd.into())
            }
        }

        impl TryFrom<$type> for $std {
            type Error = ::std::io::Error;

            /// Does the same as `into_std`.
            fn try_from(ours: $type) -> ::std::io::Result<Self> {
                ours.into_std()
            }
        }

        impl TryFrom<$type> for ::std::os::fd::OwnedFd {
            type Error = ::std::io::Error;

            /// Ends the registration and sets the descriptor to blocking, as `into_std` does.
            fn try_from(ours: $type) -> ::std::io::Result<Self> {
                Ok(ours.into_std()?.into())
            }
        }

        impl TryFrom<$type> for ::std::process::Stdio {
            type Error = ::std::io::Error;

            /// Ends the registration and sets the descriptor to blocking, as a child process expects it.
            fn try_from(ours: $type) -> ::std::io::Result<Self> {
                Ok(::std::os::fd::OwnedFd::try_from(ours)?.into())
            }
        }
    };
}
pub(crate) use conversions;
