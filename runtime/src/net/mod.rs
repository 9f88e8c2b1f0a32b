//! Networking over the reactor: TCP, UDP and Unix sockets with the traits of `futures-io`, and name
//! resolution.
//!
//! * [`TcpListener`] accepts connections, [`TcpStream`] is one connection.
//! * [`UdpSocket`] sends and receives datagrams.
//! * [`unix`] has the same three kinds of sockets for processes of one machine.
//! * [`ToAddresses`] is everything that names a socket address; [`lookup_host`] resolves it.
//!
//! Each socket belongs to the runtime in which it was made. Once that runtime has ended, operations that
//! wait fail with the kind [`Other`](std::io::ErrorKind::Other).

mod attempts;
mod datagrams;
mod resolve;
mod split;
mod tcp_listener;
mod tcp_stream;
mod udp_attempts;
mod udp_socket;
pub mod unix;

pub use resolve::{ToAddresses, lookup_host};
pub use split::{Connection, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
pub use tcp_listener::TcpListener;
pub use tcp_stream::TcpStream;
pub use udp_socket::UdpSocket;
