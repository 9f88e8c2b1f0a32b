//! The worker's end of its channel: a socket that it was handed, its standard streams, or a connection that
//! it makes.

use crate::{sys as calls, system::stream};
use std::{
    io::{self, Write},
    net::TcpStream,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    thread,
    time::Duration,
};

/// The length of a token in bytes.
pub(crate) const TOKEN_BYTES: usize = 32;
/// How long a worker waits before it dials again after its pool has sent it away, in milliseconds. In a
/// storm of connections that may happen; a worker with a wrong token is sent away each time.
const REDIAL_PAUSES_MILLIS: [u64; 4] = [10, 30, 90, 270];

/// Where frames come from, and where they go.
pub(crate) struct Channel {
    input: Arc<OwnedFd>,
    /// None: the same as the input.
    output: Option<OwnedFd>,
}

impl Channel {
    pub(crate) fn of_socket(socket: OwnedFd) -> Self {
        Self { input: Arc::new(socket), output: None }
    }

    /// Takes over the standard streams. Calls then find nothing on stdin, and their output goes to stderr.
    pub(crate) fn of_stdio() -> io::Result<Self> {
        let (input, output) =
            (calls::duplicate_above(&io::stdin(), 10)?, calls::duplicate_above(&io::stdout(), 10)?);
        calls::take_null_for_stdin()?;
        calls::move_to(&calls::duplicate_above(&io::stderr(), 10)?, 1)?;
        Ok(Self { input: Arc::new(input), output: Some(output) })
    }

    /// Reads the token, which is the first line of stdin. Calls then find nothing there.
    pub(crate) fn token_of_stdin() -> io::Result<[u8; TOKEN_BYTES]> {
        let mut token = [0; TOKEN_BYTES];
        let mut length = 0;
        while length < TOKEN_BYTES {
            match stream::receive(io::stdin().as_fd(), &mut token[length..])? {
                0 => {
                    let why = "its stdin ended before the token: the command in front must pass its stdin on";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
                }
                received => length += received,
            }
        }
        calls::take_null_for_stdin()?;
        Ok(token)
    }

    /// Connects to the pool, which lets in a connection that shows the token
    /// (`parent/launcher/dial_back.rs`).
    pub(crate) fn dial(address: &str, token: &[u8; TOKEN_BYTES]) -> io::Result<Self> {
        let told =
            |error: io::Error| io::Error::new(error.kind(), format!("connecting to {address}: {error}"));
        let mut pauses = REDIAL_PAUSES_MILLIS.into_iter();
        loop {
            let mut stream = TcpStream::connect(address).map_err(told)?;
            stream.set_nodelay(true)?;
            // The pool sends its setup as soon as it has let the worker in. An error says that it has not.
            let begins = stream.write_all(token).and_then(|()| stream.peek(&mut [0]));
            if begins.is_ok_and(|received| received > 0) {
                return Ok(Self::of_socket(stream.into()));
            }
            let Some(pause) = pauses.next() else {
                let why = format!("the pool at {address} does not let it in: it lacks the token, perhaps");
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            };
            thread::sleep(Duration::from_millis(pause));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Read, net::TcpListener};

    #[test]
    fn a_worker_that_is_sent_away_dials_again() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let pool = thread::spawn(move || {
            drop(listener.accept().unwrap());
            let mut shown = [0; TOKEN_BYTES];
            listener.accept().unwrap().0.read_exact(&mut shown).unwrap();
            let (mut worker, _) = listener.accept().unwrap();
            worker.read_exact(&mut shown).unwrap();
            worker.write_all(b"setup").unwrap();
            shown
        });
        let token = [7; TOKEN_BYTES];
        let channel = Channel::dial(&address, &token).unwrap();
        assert_eq!(pool.join().unwrap(), token);
        let mut setup = [0; 9];
        assert_eq!(stream::receive(channel.input().as_fd(), &mut setup).unwrap(), 5);
    }

    #[test]
    fn a_worker_that_is_never_let_in_says_so() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let pool = thread::spawn(move || {
            (0..=REDIAL_PAUSES_MILLIS.len()).for_each(|_| drop(listener.accept().unwrap()));
        });
        let error = Channel::dial(&address, &[7; TOKEN_BYTES]).err().unwrap();
        assert!(error.to_string().contains("token"), "{error}");
        pool.join().unwrap();
    }
}
