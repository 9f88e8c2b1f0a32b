//! Attempts and polls for one datagram, which sockets for UDP and Unix sockets share.

/// Implements `try_send`, `try_recv`, `poll_send` and `poll_recv` for a type of datagram socket whose field
/// `socket` is a `Registered`. The arguments are `Type, |io| expression`, where the expression is the
/// socket of the operating system in what is registered.
macro_rules! datagrams {
    ($type:ty, |$io:ident| $socket:expr) => {
        impl $type {
            /// Sends one datagram to the connected peer without waiting, and returns its length in bytes.
            ///
            /// # Errors
            ///
            /// * `WouldBlock` if there is no room for it: wait by [`writable`](Self::writable).
            /// * Those of [`send`](Self::send).
            ///
            /// ```
            /// # brigade_runtime::run(async {
            /// let (one, _other) = brigade_runtime::net::unix::UnixDatagram::pair()?;
            /// // Nobody receives, so the queue is full some time.
            /// let full = std::iter::repeat_with(|| one.try_send(b"soup")).find_map(Result::err);
            /// assert_eq!(full.unwrap().kind(), std::io::ErrorKind::WouldBlock);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn try_send(&self, bytes: &[u8]) -> ::std::io::Result<usize> {
                self.socket.try_io($crate::driver::source::Direction::Write, |$io| $socket.send(bytes))
            }

            /// Receives one datagram without waiting, and returns its length in bytes. Bytes that do not
            /// fit into the buffer are lost.
            ///
            /// # Errors
            ///
            /// * `WouldBlock` if there is none: wait by [`readable`](Self::readable).
            /// * Those of [`recv`](Self::recv).
            ///
            /// ```
            /// # brigade_runtime::run(async {
            /// let (one, other) = brigade_runtime::net::unix::UnixDatagram::pair()?;
            /// let nothing = other.try_recv(&mut [0; 8]).unwrap_err();
            /// assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
            /// one.send(b"soup").await?;
            /// other.readable().await?;
            /// assert_eq!(other.try_recv(&mut [0; 8])?, 4);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn try_recv(&self, buffer: &mut [u8]) -> ::std::io::Result<usize> {
                self.socket.try_io($crate::driver::source::Direction::Read, |$io| $socket.recv(buffer))
            }

            /// Polls to send one datagram to the connected peer, as [`send`](Self::send) does. Several
            /// tasks may wait at once.
            ///
            /// # Errors
            ///
            /// Those of [`send`](Self::send).
            ///
            /// # Cancellation
            ///
            /// As long as it is pending, nothing was sent. The next poll may be for another datagram.
            ///
            /// ```
            /// # brigade_runtime::run(async {
            /// let (one, _other) = brigade_runtime::net::unix::UnixDatagram::pair()?;
            /// assert_eq!(std::future::poll_fn(|cx| one.poll_send(cx, b"soup")).await?, 4);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn poll_send(
                &self,
                cx: &mut ::std::task::Context<'_>,
                bytes: &[u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.socket.poll_io(cx, $crate::driver::source::Direction::Write, |$io| $socket.send(bytes))
            }

            /// Polls to receive one datagram, as [`recv`](Self::recv) does. Several tasks may wait at once.
            ///
            /// # Errors
            ///
            /// Those of [`recv`](Self::recv).
            ///
            /// # Cancellation
            ///
            /// As long as it is pending, nothing was received.
            ///
            /// ```
            /// # brigade_runtime::run(async {
            /// let (one, other) = brigade_runtime::net::unix::UnixDatagram::pair()?;
            /// one.send(b"soup").await?;
            /// let mut buffer = [0; 8];
            /// assert_eq!(std::future::poll_fn(|cx| other.poll_recv(cx, &mut buffer)).await?, 4);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn poll_recv(
                &self,
                cx: &mut ::std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.socket.poll_io(cx, $crate::driver::source::Direction::Read, |$io| $socket.recv(buffer))
            }
        }
    };
}
pub(super) use datagrams;
