//! The worker's end of what it speaks through: a socket that it was handed, its standard streams, or a connection that it makes.

// Unsafe: system calls.
#[allow(unsafe_code)]
pub(crate) mod sys;

use crate::sys as calls;
use std::{
    io,
    net::TcpStream,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

/// How long a token is, in characters.
const TOKEN: usize = 32;

/// Where frames come from, and where they go.
pub(crate) struct Channel {
    input: Arc<OwnedFd>,
    /// None: the same.
    output: Option<OwnedFd>,
}

impl Channel {
    pub(crate) fn of_socket(socket: OwnedFd) -> Self {
        Self { input: Arc::new(socket), output: None }
    }

    /// The standard streams; calls then find nothing on stdin, and what they print goes to stderr.
    pub(crate) fn of_stdio() -> io::Result<Self> {
        let (input, output) =
            (calls::duplicate_above(&io::stdin(), 10)?, calls::duplicate_above(&io::stdout(), 10)?);
        calls::take_null_for_stdin()?;
        calls::move_to(&calls::duplicate_above(&io::stderr(), 10)?, 1)?;
        Ok(Self { input: Arc::new(input), output: Some(output) })
    }

    /// The token, which is the first line of stdin; calls then find nothing there.
    pub(crate) fn token_of_stdin() -> io::Result<String> {
        let (mut token, mut byte) = (String::new(), [0]);
        while token.len() < TOKEN && calls::receive(io::stdin().as_fd(), &mut byte)? == 1 {
            token.push(char::from(byte[0]));
        }
        calls::take_null_for_stdin()?;
        Ok(token)
    }

    /// A connection to the pool.
    pub(crate) fn dial(address: &str) -> io::Result<Self> {
        let told =
            |error: io::Error| io::Error::new(error.kind(), format!("connecting to {address}: {error}"));
        let stream = TcpStream::connect(address).map_err(told)?;
        stream.set_nodelay(true)?;
        Ok(Self::of_socket(stream.into()))
    }

    pub(crate) fn input(&self) -> Arc<OwnedFd> {
        self.input.clone()
    }

    pub(crate) fn output(&self) -> BorrowedFd<'_> {
        self.output.as_ref().unwrap_or(&self.input).as_fd()
    }

    /// The socket, which nobody else may hold.
    pub(crate) fn into_socket(self) -> io::Result<OwnedFd> {
        Arc::into_inner(self.input).ok_or_else(|| io::Error::other("the channel is in use"))
    }
}
