//! Programs that must not compile. Each rule that unsafe code here relies on has an example that breaks
//! it. The examples run with those of the documentation, but are not part of it.

/// A handle only passes values to another thread that may be sent.
///
/// ```compile_fail,E0277
/// fn is_send<T: Send>() {}
/// is_send::<brigade_handle::JoinHandle<std::rc::Rc<u32>>>();
/// ```
///
/// ```compile_fail,E0277
/// fn is_sync<T: Sync>() {}
/// is_sync::<brigade_handle::JoinHandle<std::rc::Rc<u32>>>();
/// ```
///
/// ```compile_fail,E0277
/// let (completer, handle) = brigade_handle::pair::<std::rc::Rc<u32>>();
/// ```
///
/// ```compile_fail,E0277
/// let (completer, handle) = brigade_handle::pair_with::<u32, _>({
///     let counted = std::rc::Rc::new(7);
///     move || assert_eq!(*counted, 7)
/// });
/// ```
///
/// ```compile_fail,E0277
/// fn is_sync<T: Sync>() {}
/// is_sync::<brigade_handle::Slot<std::rc::Rc<u32>>>();
/// ```
struct SentAcross;

/// Only unsafe code can make the promises that a handle relies on.
///
/// ```compile_fail,E0200
/// use brigade_handle::{CancelVerbs, Counted, Rendezvous};
///
/// struct Work<R>(R);
/// impl<T, R: Counted<T>> Counted<T> for Work<R>
/// where
///     Self: Rendezvous<T>,
/// {
///     fn cancel_verbs(&self) -> &'static CancelVerbs {
///         self.0.cancel_verbs()
///     }
/// }
/// ```
///
/// ```compile_fail,E0133
/// let slot = brigade_handle::Slot::<u32>::new();
/// let _ = slot.signal().complete();
/// ```
///
/// ```compile_fail,E0133
/// let slot = brigade_handle::Slot::<u32>::new();
/// slot.signal().poll(std::task::Waker::noop());
/// ```
///
/// ```compile_fail,E0133
/// let slot = brigade_handle::Slot::<u32>::new();
/// let _ = slot.signal().detach();
/// ```
///
/// ```compile_fail,E0133
/// let slot = brigade_handle::Slot::<u32>::new();
/// slot.complete_once(Ok(7));
/// ```
///
/// ```compile_fail,E0624
/// let slot = brigade_handle::Slot::<u32>::new();
/// let _ = slot.place().take();
/// ```
///
/// ```compile_fail,E0133
/// let place = brigade_handle::Place::<u32>::new(std::ptr::NonNull::dangling());
/// ```
struct SaidByUnsafeCode;

/// A policy is restored on the thread on which it was set.
///
/// ```compile_fail,E0277
/// fn is_send<T: Send>() {}
/// is_send::<brigade_handle::wait::Restore>();
/// ```
struct OfOneThread;
