//! Unix sockets: connections and datagrams within one machine, named by paths.

mod datagram;
mod listener;
mod stream;

pub use datagram::UnixDatagram;
pub use listener::UnixListener;
pub use stream::{Credentials, UnixStream};
