//! Senders as sinks, for the adapters of `futures-util`.

use super::{OwnedPermit, SendError, Sender, TrySendError, UnboundedSender};
use crate::task::budget;
use futures_sink::Sink;
use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A [`Sender`] as a `Sink`, from [`Sender::into_sink`]. Closing it drops the sender.
///
/// # Cancellation
///
/// Room that the sink has reserved stays with it until a value is sent into it or the sink is dropped.
///
/// ```
/// use brigade_runtime::{run, sync::mpsc};
/// use futures_util::SinkExt;
///
/// run(async {
///     let (sender, mut receiver) = mpsc::channel(1);
///     let mut sink = sender.into_sink();
///     sink.send("soup").await.unwrap();
///     sink.close().await.unwrap();
///     assert_eq!((receiver.recv().await, receiver.recv().await), (Some("soup"), None));
/// });
/// ```
pub struct SendSink<T> {
    state: State<T>,
}

/// The wait for room.
type Reserve<T> = dyn Future<Output = Result<OwnedPermit<T>, SendError<()>>> + Send;

enum State<T> {
    Idle(Sender<T>),
    /// There was no room. This is the only state that allocates.
    Waiting(Pin<Box<Reserve<T>>>),
    Ready(OwnedPermit<T>),
    /// The sink was closed, or the receiver is dropped or closed.
    Over,
}

impl<T: Send + 'static> Sender<T> {
    /// Turns this sender into a `Sink`.
    ///
    /// ```
    /// use brigade_runtime::{run, spawn, sync::mpsc};
    /// use futures_util::{StreamExt, stream};
    ///
    /// run(async {
    ///     let (sender, receiver) = mpsc::channel(1);
    ///     spawn(stream::iter(["soup", "salad", "cake"]).map(Ok).forward(sender.into_sink()));
    ///     assert_eq!(receiver.collect::<Vec<_>>().await, ["soup", "salad", "cake"]);
    /// });
    /// ```
    pub fn into_sink(self) -> SendSink<T> {
        SendSink { state: State::Idle(self) }
    }
}

impl<T: Send + 'static> Sink<T> for SendSink<T> {
    type Error = SendError<()>;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<()>>> {
        ready!(budget::poll(cx));
        let mark = budget::mark();
        loop {
            self.state = match mem::replace(&mut self.state, State::Over) {
                State::Idle(sender) => match sender.try_reserve_owned() {
                    Ok(permit) => State::Ready(permit),
                    Err(TrySendError::Full(sender)) => State::Waiting(Box::pin(sender.reserve_owned())),
                    Err(TrySendError::Closed(_)) => State::Over,
                },
                State::Waiting(mut room) => match room.as_mut().poll(cx) {
                    Poll::Ready(Ok(permit)) => State::Ready(permit),
                    Poll::Ready(Err(_)) => State::Over,
                    Poll::Pending => {
                        self.state = State::Waiting(room);
                        return Poll::Pending;
                    }
                },
                State::Ready(permit) => {
                    self.state = State::Ready(permit);
                    budget::spend_since(mark);
                    return Poll::Ready(Ok(()));
                }
                State::Over => {
                    budget::spend_since(mark);
                    return Poll::Ready(Err(SendError(())));
                }
            };
        }
    }

    /// Sends the value into the room that `poll_ready` has reserved.
    ///
    /// # Panics
    ///
    /// Panics in the caller if no call of `poll_ready` was ready before.
    fn start_send(mut self: Pin<&mut Self>, value: T) -> Result<(), SendError<()>> {
        match mem::replace(&mut self.state, State::Over) {
            State::Ready(permit) => {
                self.state = State::Idle(permit.send(value));
                Ok(())
            }
            State::Over => Err(SendError(())),
            State::Idle(_) | State::Waiting(_) => panic!("start_send was called before poll_ready was ready"),
        }
    }

    /// Does nothing, because values are in the channel as soon as they are sent.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), SendError<()>>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), SendError<()>>> {
        self.state = State::Over;
        Poll::Ready(Ok(()))
    }
}

impl<T> fmt::Debug for SendSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendSink").finish_non_exhaustive()
    }
}

/// Always ready, unless the task has used up its budget for this poll. Closing it does nothing: the channel
/// ends when its last sender is dropped.
impl<T> Sink<T> for UnboundedSender<T> {
    type Error = SendError<T>;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        ready!(budget::poll(cx));
        budget::spend();
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, value: T) -> Result<(), SendError<T>> {
        self.send(value)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        Poll::Ready(Ok(()))
    }
}
