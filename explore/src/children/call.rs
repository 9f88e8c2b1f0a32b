//! A call on its way to a child.

use brigade_handle::{Completer, JoinError, Lost, RemotePanic, panic_message};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// The options of a call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub(super) timeout: Option<Duration>,
    pub(super) retries: u32,
    pub(super) kills_on_cancel: bool,
}

/// A call of some types.
pub(super) struct Call {
    pub(super) number: u64,
    pub(super) options: Options,
    /// How many children have died under it.
    pub(super) deaths: u32,
    pub(super) work: Box<dyn Work>,
}

/// The part of a call that knows its types.
pub(super) trait Work: Send {
    /// Makes the call and keeps its result.
    fn make(&mut self);
    /// Completes the handle with the result.
    fn answer(self: Box<Self>);
    /// Completes the handle with an error.
    fn fail(self: Box<Self>, error: JoinError);
}

impl Call {
    /// Handles the death of the child that had the call. Returns the call if it is tried again. Otherwise
    /// completes its handle.
    pub(super) fn survive(mut self) -> Option<Self> {
        let killed = Lost::Killed { signal: KILL };
        self.deaths += 1;
        let lost = if self.options.retries >= self.deaths {
            return Some(self);
        } else if self.deaths == 1 {
            killed
        } else {
            Lost::Quarantined { workers: self.deaths, last: Box::new(killed) }
        };
        self.work.fail(JoinError::lost(lost));
        None
    }
}

/// The number of SIGKILL, by which a child dies.
const KILL: i32 = 9;

/// A call of `F` with an argument `A`.
pub(super) struct TypedWork<F, A, R> {
    f: F,
    /// The encoded argument: a call may be made more than once.
    argument: Vec<u8>,
    result: Option<Result<R, JoinError>>,
    completer: Completer<R>,
    types: PhantomData<fn(A)>,
}

impl<F, A, R> TypedWork<F, A, R> {
    /// Makes a call. Argument and result travel as bytes, as to another process.
    ///
    /// # Errors
    ///
    /// Returns the completer with the reason if the argument cannot be encoded, or if `f` captures something.
    pub(super) fn new(f: F, argument: &A, completer: Completer<R>) -> Result<Self, (Completer<R>, Lost)>
    where
        A: Serialize,
    {
        if size_of::<F>() != 0 {
            let why = "the function captures something: pass it in the argument";
            return Err((completer, Lost::Codec(why.into())));
        }
        match postcard::to_stdvec(argument) {
            Ok(argument) => Ok(Self { f, argument, result: None, completer, types: PhantomData }),
            Err(error) => Err((completer, codec(&error))),
        }
    }
}

fn codec(error: &postcard::Error) -> Lost {
    Lost::Codec(error.to_string().into())
}

impl<F, A, R> Work for TypedWork<F, A, R>
where
    F: Fn(A) -> R + Send,
    A: DeserializeOwned,
    R: Serialize + DeserializeOwned + Send,
{
    fn make(&mut self) {
        let made = catch_unwind(AssertUnwindSafe(|| {
            let answer = (self.f)(postcard::from_bytes(&self.argument)?);
            postcard::from_bytes(&postcard::to_stdvec(&answer)?)
        }));
        self.result = Some(match made {
            Ok(answer) => answer.map_err(|error| JoinError::lost(codec(&error))),
            Err(payload) => {
                let message = panic_message(&*payload).unwrap_or("(a payload that is not a text)").to_owned();
                Err(JoinError::panicked(Box::new(RemotePanic { message, location: None })))
            }
        });
    }

    fn answer(self: Box<Self>) {
        let Self { result, completer, .. } = *self;
        completer.complete(result.expect("the call was made"));
    }

    fn fail(self: Box<Self>, error: JoinError) {
        self.completer.complete(Err(error));
    }
}
