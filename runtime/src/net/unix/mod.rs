//! Unix sockets: connections and datagrams between processes of one machine.
//!
//! Their addresses are paths of the file system, or on Linux [abstract](abstract_address) names.

mod address;
mod datagram;
mod datagram_attempts;
mod listener;
mod stream;

pub use address::abstract_address;
pub use datagram::UnixDatagram;
pub use listener::UnixListener;
pub use stream::{Credentials, UnixStream};
