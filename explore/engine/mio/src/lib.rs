//! mio with a network of its own: the part of mio's interface that a reactor uses.
//!
//! Outside of an explored run each type is that of mio. Within a run ([`brigade_handle::explore`]) the
//! sockets, pipes and selectors lie in memory, and every outcome that an operating system or a network leaves
//! open is a choice of the oracle. The engine of exploration builds the runtime against this crate, so that
//! its reactor, its registrations and its sockets are the production code, down to the calls of mio:
//!
//! ```text
//!   net::TcpStream, io::pipe, AsyncFd          production
//!   Registered, Source, Reactor                production
//!   ───────────────────────────────── mio's interface ──────
//!   poll.rs, net/, pipe.rs                     a type of mio, or a name of a simulated object
//!   network/                                   the objects, the bytes under way, the choices
//! ```
//!
//! # The simulation
//!
//! Selectors are edge-triggered, and an event carries everything that is ready when it is taken, as with
//! epoll. TCP has refusal, half-close, full buffers, and a reset if a side closes with bytes unread. UDP
//! datagrams are whole, and a connected socket has a filter and errors. Unix sockets and pipes work without a
//! network: everything arrives at once and in order. The choices are:
//!
//! | kind | what is chosen |
//! |---|---|
//! | `arrival` | when bytes, ends, connections and datagrams arrive |
//! | `length` | short reads and writes |
//! | `datagram` | which of several UDP datagrams comes first |
//! | `ready` | which source is reported first |
//! | `fault` | resets, losses, duplicates, if the run asks for them ([`simulated::Faults`]) |
//!
//! Index 0 of each choice is what a healthy machine usually does: all at once, in order.
//!
//! Bytes that nobody has observed may still be under way. So a short read of a TCP connection does not leave
//! bytes behind in the buffer: the rest of the bytes counts as not arrived, and its arrival is an edge of its
//! own. Linux promises as much to a reactor that takes a short read as the last one.
//!
//! A simulated socket has a descriptor by which a selector finds it. All other calls on the descriptor fail.
//!
//! # Refusals
//!
//! A descriptor of the operating system cannot be registered within a run. Errors of the kind `Unsupported`
//! name the type.

pub mod event;
pub mod net;
mod network;
mod poll;
pub mod simulated;
mod socket;
mod sys;
pub mod unix;

pub use os::{Interest, Token};
pub use poll::{Events, Poll, Registry, Waker};
