//! Why there is no result: the three ways in which spawned work can fail to produce one.

use crate::{Id, Lost, Subject};
use std::{
    any::Any,
    borrow::Cow,
    fmt, io,
    panic::{RefUnwindSafe, UnwindSafe},
};

/// Why a [`JoinHandle`](crate::JoinHandle) has no result.
///
/// ```
/// use brigade_handle::JoinError;
///
/// let (_completer, handle) = brigade_handle::pair::<u32>();
/// handle.cancel();
/// match handle.join() {
///     Ok(number) => println!("{number}"),
///     Err(JoinError::Cancelled(_)) => println!("cancelled"),
///     Err(JoinError::Panicked(payload, _)) => std::panic::resume_unwind(payload),
///     Err(JoinError::Lost(lost, _)) => println!("{lost}"),
/// }
/// ```
///
/// Each variant also holds the [`Subject`], which says whose error this is as far as that is known.
#[doc(alias("BrokenProcessPool", "CancelledError"))]
#[must_use]
pub enum JoinError {
    /// The work panicked. Holds the payload that was passed to `panic!`: normally a `&'static str` or a
    /// `String`, or a [`RemotePanic`] if the panic happened in another process.
    Panicked(Box<dyn Any + Send + 'static>, Subject),
    /// The work was cancelled before it could finish.
    Cancelled(Subject),
    /// The worker that had the work is gone, or its answer could not be read.
    Lost(Lost, Subject),
}

/// Adds the name of a thread to the error with which the system refuses it. The kind of the error stays.
///
/// ```
/// use std::io::{Error, ErrorKind};
///
/// let error = brigade_handle::refused_thread("oven", Error::from(ErrorKind::WouldBlock));
/// assert_eq!(error.kind(), ErrorKind::WouldBlock);
/// assert!(error.to_string().starts_with("the thread oven: "));
/// ```
pub fn refused_thread(name: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the thread {name}: {error}"))
}

/// A panic that happened in another process. Only its text crossed the boundary, not its payload.
///
/// ```
/// use brigade_handle::{JoinError, RemotePanic};
///
/// let panic = RemotePanic { message: "no flour".into(), location: Some("bake.rs:7:5".into()) };
/// let error = JoinError::panicked(Box::new(panic));
/// assert_eq!(error.panic_message(), Some("no flour"));
/// assert_eq!(error.panic_location(), Some("bake.rs:7:5"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemotePanic {
    /// The panic's message.
    pub message: String,
    /// The place of the panic, as `file:line:column`, if known.
    pub location: Option<String>,
}

impl JoinError {
    /// Makes the error of work that panicked with this payload.
    #[cold]
    pub fn panicked(payload: Box<dyn Any + Send + 'static>) -> Self {
        Self::Panicked(payload, Subject::NONE)
    }

    /// Makes the error of work that was cancelled.
    #[cold]
    pub const fn cancelled() -> Self {
        Self::Cancelled(Subject::NONE)
    }

    /// Makes the error of work whose result was lost.
    #[cold]
    pub fn lost(lost: Lost) -> Self {
        Self::Lost(lost, Subject::NONE)
    }

    /// Says whose error this is, if that is not known yet. `subject` is called only then.
    ///
    /// ```
    /// use brigade_handle::{Domain, Id, JoinError, Subject};
    ///
    /// let of = |number| move || Subject::new(Id::new(Domain::Task, number), Some("fetch".into()));
    /// let error = JoinError::cancelled().of(of(17)).of(of(18));
    /// assert_eq!(error.to_string(), "task#17 (`fetch`) cancelled");
    /// ```
    #[cold]
    pub fn of(mut self, subject: impl FnOnce() -> Subject) -> Self {
        let (Self::Panicked(_, place) | Self::Cancelled(place) | Self::Lost(_, place)) = &mut self;
        if place.is_none() {
            *place = subject();
        }
        self
    }

    /// Returns which task, job or call this is the error of, as far as it is known.
    ///
    /// ```
    /// use brigade_handle::JoinError;
    ///
    /// assert!(JoinError::cancelled().subject().is_none());
    /// ```
    pub fn subject(&self) -> &Subject {
        let (Self::Panicked(_, subject) | Self::Cancelled(subject) | Self::Lost(_, subject)) = self;
        subject
    }

    /// Returns the id of the work, as [`JoinHandle::id`](crate::JoinHandle::id) does.
    ///
    /// ```
    /// use brigade_handle::{Domain, Id, JoinError, Subject};
    ///
    /// let call = Id::new(Domain::Call, 3);
    /// assert_eq!(JoinError::cancelled().of(|| Subject::new(call, None)).id(), call);
    /// ```
    pub fn id(&self) -> Id {
        self.subject().id()
    }

    /// Returns the panic's message, if this is a panic and its payload is a text: see [`panic_message`].
    ///
    /// ```
    /// use brigade_handle::JoinError;
    ///
    /// let payload = std::panic::catch_unwind(|| panic!("no flour")).unwrap_err();
    /// assert_eq!(JoinError::panicked(payload).panic_message(), Some("no flour"));
    /// assert_eq!(JoinError::cancelled().panic_message(), None);
    /// ```
    pub fn panic_message(&self) -> Option<&str> {
        let Self::Panicked(payload, _) = self else { return None };
        panic_message(&**payload)
    }

    /// Returns the place of a panic of another process, as `file:line:column`.
    ///
    /// ```
    /// use brigade_handle::JoinError;
    ///
    /// // Only a panic of another process has a place.
    /// let payload = std::panic::catch_unwind(|| panic!("no flour")).unwrap_err();
    /// assert_eq!(JoinError::panicked(payload).panic_location(), None);
    /// ```
    pub fn panic_location(&self) -> Option<&str> {
        let Self::Panicked(payload, _) = self else { return None };
        innermost(&**payload).downcast_ref::<RemotePanic>()?.location.as_deref()
    }

    /// Continues the panic on this thread.
    ///
    /// ```
    /// use brigade_handle::JoinError;
    /// use std::panic::{AssertUnwindSafe, catch_unwind};
    ///
    /// let payload = catch_unwind(|| panic!("no flour")).unwrap_err();
    /// let resume = AssertUnwindSafe(|| JoinError::panicked(payload).resume());
    /// let again = catch_unwind(resume).unwrap_err();
    /// assert_eq!(again.downcast_ref(), Some(&"no flour"));
    /// ```
    ///
    /// # Panics
    ///
    /// Always panics: with the work's own payload if it panicked, otherwise with this error's text.
    #[track_caller]
    pub fn resume(self) -> ! {
        match self {
            Self::Panicked(payload, _) => std::panic::resume_unwind(payload),
            other => panic!("{other}"),
        }
    }
}

/// Returns the payload of the original panic, under the boxes and errors in which it was passed on.
fn innermost(mut payload: &(dyn Any + Send)) -> &(dyn Any + Send) {
    loop {
        payload = if let Some(inner) = payload.downcast_ref::<Box<dyn Any + Send>>() {
            &**inner
        } else if let Some(JoinError::Panicked(inner, _)) = payload.downcast_ref::<JoinError>() {
            &**inner
        } else {
            return payload;
        };
    }
}

/// Returns the message in a panic's payload, if it is a text: a `&'static str`, a `String`, another owned
/// `str`, or the message of a [`RemotePanic`]. If code panicked again with a payload, in its box or as a
/// [`JoinError`], the message is still found.
///
/// ```
/// let payload = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new("no flour"))).unwrap_err();
/// assert_eq!(brigade_handle::panic_message(&*payload), Some("no flour"));
/// ```
pub fn panic_message(payload: &(dyn Any + Send)) -> Option<&str> {
    let payload = innermost(payload);
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        Some(text)
    } else if let Some(text) = payload.downcast_ref::<String>() {
        Some(text)
    } else if let Some(text) = payload.downcast_ref::<Box<str>>() {
        Some(text)
    } else if let Some(text) = payload.downcast_ref::<Cow<'static, str>>() {
        Some(text)
    } else {
        payload.downcast_ref::<RemotePanic>().map(|panic| panic.message.as_str())
    }
}

// The payload is from a panic that was caught, so no holder takes it for more than that.
impl UnwindSafe for JoinError {}
impl RefUnwindSafe for JoinError {}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.subject().is_none() {
            write!(f, "{} ", self.subject())?;
        }
        match self {
            Self::Panicked(..) => {
                write!(f, "panicked: {}", self.panic_message().unwrap_or("(a payload that is not a text)"))?;
                match self.panic_location() {
                    Some(location) => write!(f, ", at {location}"),
                    None => Ok(()),
                }
            }
            Self::Cancelled(_) => f.write_str("cancelled"),
            Self::Lost(lost, _) => write!(f, "lost: {lost}"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_small_since_every_result_has_room_for_one() {
        // A tag, the pointer and length of a text or a payload, and the pointer of the subject.
        assert_eq!(size_of::<JoinError>(), 4 * size_of::<usize>());
    }

    #[test]
    fn a_remote_panic_shows_its_message_and_its_place() {
        let panic = RemotePanic { message: "no flour".into(), location: Some("src/bake.rs:3:5".into()) };
        let error = JoinError::panicked(Box::new(panic));
        assert_eq!(error.to_string(), "panicked: no flour, at src/bake.rs:3:5");
        assert_eq!(error.panic_message(), Some("no flour"));
    }

    #[test]
    fn a_payload_that_is_passed_on_keeps_its_words() {
        let panic = RemotePanic { message: "no flour".into(), location: Some("src/bake.rs:3:5".into()) };
        let payload: Box<dyn Any + Send> = Box::new(panic);
        let error = JoinError::panicked(Box::new(JoinError::panicked(Box::new(payload))));
        assert_eq!(error.to_string(), "panicked: no flour, at src/bake.rs:3:5");
        let texts: [Box<dyn Any + Send>; 4] = [
            Box::new("no flour"),
            Box::new("no flour".to_owned()),
            Box::new(Box::<str>::from("no flour")),
            Box::new(Cow::Borrowed("no flour")),
        ];
        for payload in texts {
            assert_eq!(panic_message(&*payload), Some("no flour"));
            assert_eq!(JoinError::panicked(Box::new(payload)).panic_message(), Some("no flour"));
        }
    }

    #[test]
    fn a_payload_that_is_no_text_has_no_message() {
        let error = JoinError::panicked(Box::new(7_u8));
        assert_eq!(error.to_string(), "panicked: (a payload that is not a text)");
    }
}
