//! Networking over the reactor: TCP, UDP and Unix sockets, with the traits of `futures-io`, and names.

mod resolve;
mod split;
mod tcp_listener;
mod tcp_stream;
mod udp_socket;
pub mod unix;

pub use resolve::{ToAddresses, lookup_host};
pub use split::{Connection, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
pub use tcp_listener::TcpListener;
pub use tcp_stream::TcpStream;
pub use udp_socket::UdpSocket;
