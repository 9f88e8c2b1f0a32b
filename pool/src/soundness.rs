//! Programs that must not compile. Each rule that unsafe code here relies on has an example that breaks
//! it. The examples run with those of the documentation, but are not part of it.

/// A job must not borrow from the frame that spawns it.
///
/// ```compile_fail,E0597
/// let pool = brigade_pool::Pool::new().unwrap();
/// let handle = {
///     let local = 7;
///     let borrowed = &local;
///     pool.spawn(move || *borrowed)
/// };
/// ```
///
/// ```compile_fail,E0373
/// let pool = brigade_pool::Pool::new().unwrap();
/// let local = 7;
/// pool.spawn_detached(|| assert_eq!(local, 7));
/// ```
struct OutlivesTheFrame;

/// A scope's child must not borrow from the scope's body, and the data that it borrows must outlive the
/// scope.
///
/// ```compile_fail,E0373
/// brigade_pool::scope(|scope| {
///     let local = 7;
///     scope.spawn(|_| assert_eq!(local, 7));
/// });
/// ```
///
/// ```compile_fail,E0521
/// let mut kept = None;
/// brigade_pool::scope(|scope| kept = Some(scope));
/// ```
///
/// ```compile_fail,E0505
/// let owned = String::from("here");
/// brigade_pool::scope(|scope| {
///     scope.spawn(|_| assert_eq!(owned, "here"));
///     drop(owned);
/// });
/// ```
///
/// ```compile_fail
/// fn longer<'long>(scope: &brigade_pool::Scope<'_>) -> &brigade_pool::Scope<'long> {
///     scope
/// }
/// ```
///
/// ```compile_fail
/// fn shorter<'short>(scope: &'short brigade_pool::Scope<'static>) -> &'short brigade_pool::Scope<'short> {
///     scope
/// }
/// ```
struct EndsWithTheScope;

/// Everything that another thread runs, gets or returns must be Send.
///
/// ```compile_fail,E0277
/// let counted = std::rc::Rc::new(7);
/// brigade_pool::join(|| (), move || assert_eq!(*counted, 7));
/// ```
///
/// ```compile_fail,E0277
/// brigade_pool::join(|| (), || std::rc::Rc::new(7));
/// ```
///
/// ```compile_fail,E0277
/// let counted = std::rc::Rc::new(7);
/// brigade_pool::join_lazy(move || assert_eq!(*counted, 7), || ());
/// ```
///
/// ```compile_fail,E0277
/// brigade_pool::join_lazy(|| std::rc::Rc::new(7), || ());
/// ```
///
/// ```compile_fail,E0277
/// let counted = std::rc::Rc::new(7);
/// brigade_pool::scope(|scope| scope.spawn(move |_| assert_eq!(*counted, 7)));
/// ```
///
/// ```compile_fail,E0277
/// let counted = std::rc::Rc::new(7);
/// brigade_pool::spawn(move || *counted);
/// ```
///
/// ```compile_fail,E0277
/// brigade_pool::spawn(|| std::rc::Rc::new(7));
/// ```
///
/// ```compile_fail,E0277
/// let pool = brigade_pool::Pool::new().unwrap();
/// let counted = std::rc::Rc::new(7);
/// pool.install(|| *counted);
/// ```
///
/// ```compile_fail,E0277
/// let pool = brigade_pool::Pool::new().unwrap();
/// pool.install(|| std::rc::Rc::new(7));
/// ```
///
/// ```compile_fail,E0277
/// let pool = brigade_pool::Pool::new().unwrap();
/// let cell = std::cell::Cell::new(7);
/// pool.broadcast(|_| cell.set(8));
/// ```
///
/// ```compile_fail,E0277
/// let pool = brigade_pool::Pool::new().unwrap();
/// let cell = std::cell::Cell::new(7);
/// pool.map(|n: i32| cell.set(n), [1, 2]);
/// ```
///
/// ```compile_fail,E0277
/// let pool = brigade_pool::Pool::new().unwrap();
/// pool.map(|n: std::rc::Rc<u32>| *n, [std::rc::Rc::new(7)]);
/// ```
///
/// ```compile_fail,E0277
/// brigade_pool::for_each(&mut [std::rc::Rc::new(7)], |_| ());
/// ```
///
/// ```compile_fail,E0277
/// brigade_pool::for_each(&mut [std::cell::Cell::new(7)], |_| ());
/// let cell = std::cell::Cell::new(7);
/// brigade_pool::for_each(&mut [7], |_| cell.set(8));
/// ```
struct MayBeSent;

/// A guard is released by the thread that locked, and a lock only shares data that may be sent.
///
/// ```compile_fail,E0277
/// fn is_send<T: Send>() {}
/// is_send::<brigade_pool::lock::Guard<'_, u32>>();
/// ```
///
/// ```compile_fail,E0277
/// fn is_sync<T: Sync>() {}
/// is_sync::<brigade_pool::lock::Lock<std::rc::Rc<u32>>>();
/// ```
///
/// ```compile_fail,E0277
/// fn is_send<T: Send>() {}
/// is_send::<brigade_pool::queue::Queue<std::rc::Rc<u32>>>();
/// ```
struct OfOneHolder;
