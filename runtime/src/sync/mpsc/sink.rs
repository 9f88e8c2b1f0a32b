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
/// Room that was waited for stays with the sink until a value is sent into it or the sink is dropped.
pub struct SendSink<T> {
    state: State<T>,
}

/// The wait for room.
type Reserve<T> = dyn Future<Output = Result<OwnedPermit<T>, SendError<()>>> + Send;

enum State<T> {
    Idle(Sender<T>),
    /// There was no room. The only state that allocates.
    Waiting(Pin<Box<Reserve<T>>>),
    Ready(OwnedPermit<T>),
    /// It was closed, or the receiver is gone.
    Over,
}

impl<T: Send + 'static> Sender<T> {
    /// This sender as a `Sink`.
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

    /// # Panics
    ///
    /// Without a `poll_ready` that was ready before.
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

    /// Does nothing: what was sent is in the channel.
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

/// Always ready, as long as the task has not been ready too often in one poll. Closing it does nothing: the channel ends when its last sender is dropped.
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
