//! Abstract addresses: names of Unix sockets outside of the file system.

use std::{io, os::unix::net::SocketAddr};

/// Returns the address of a Unix socket with an abstract name: a name that is no path.
///
/// No file is created, so none is left behind: the name is free again once no socket has it. Every process
/// of the machine may connect to the name, whatever its user, except from another network namespace. Ask
/// for the peer's user by [`peer_cred`](super::UnixStream::peer_cred).
///
/// The name may hold any bytes, but its first must not be zero. On other systems than Linux there are no
/// such names.
///
/// # Errors
///
/// * `InvalidInput` if the name is empty, begins with a zero byte, or is longer than 107 bytes.
/// * `Unsupported` on other systems than Linux.
///
/// ```
/// # #[cfg(target_os = "linux")]
/// # {
/// use brigade_runtime::{net::unix::{UnixListener, UnixStream, abstract_address}, run};
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
///
/// run(async {
///     let kitchen = abstract_address(format!("kitchen-{}", std::process::id()))?;
///     let listener = UnixListener::bind_addr(&kitchen)?;
///     let mut waiter = UnixStream::connect_addr(&kitchen).await?;
///     waiter.write_all(b"soup").await?;
///     let mut order = [0; 4];
///     listener.accept().await?.0.read_exact(&mut order).await?;
///     assert_eq!(&order, b"soup");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// # }
/// ```
pub fn abstract_address(name: impl AsRef<[u8]>) -> io::Result<SocketAddr> {
    check(name.as_ref())?;
    from_name(name.as_ref())
}

/// Refuses an address whose abstract name would not be taken as it is: mio cuts the last byte of a name that
/// begins with zero, and without a name the kernel chooses one.
pub(super) fn check_stream_address(address: &SocketAddr) -> io::Result<()> {
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    address.as_abstract_name().map_or(Ok(()), check)?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = address;
    Ok(())
}

fn check(name: &[u8]) -> io::Result<()> {
    if name.first().is_none_or(|&first| first == 0) {
        let advice = "an abstract name must not be empty or begin with a zero byte";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, advice));
    }
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn from_name(name: &[u8]) -> io::Result<SocketAddr> {
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn from_name(_name: &[u8]) -> io::Result<SocketAddr> {
    let advice = "abstract addresses exist on Linux only: use a path";
    Err(io::Error::new(io::ErrorKind::Unsupported, advice))
}
