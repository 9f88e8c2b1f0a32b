//! Networking: TCP over the reactor, with the traits of `futures-io`.

mod resolve;
mod split;
mod tcp_listener;
mod tcp_stream;

pub use resolve::ToAddresses;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
pub use tcp_listener::TcpListener;
pub use tcp_stream::TcpStream;
