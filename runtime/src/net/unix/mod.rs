//! Unix sockets: connections and datagrams between processes of one machine, with paths as addresses.

mod datagram;
mod listener;
mod stream;

pub use datagram::UnixDatagram;
pub use listener::UnixListener;
pub use stream::{Credentials, UnixStream};
