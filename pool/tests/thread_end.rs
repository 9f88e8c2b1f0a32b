//! The destructor of a user's thread-local uses the pool when the pool's own thread-locals are gone. A
//! panic there would end the program.

use brigade_pool::{
    Pool, as_completed, blocking, join, lock::Lock, queue::Queue, scope, spawn, spawn_detached,
};
use std::{
    cell::RefCell,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

/// Work to do when its thread ends.
struct Last(Option<Box<dyn FnOnce()>>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|work| work());
    }
}

thread_local! {
    static LAST: RefCell<Last> = const { RefCell::new(Last(None)) };
}

fn when_this_thread_ends(work: impl FnOnce() + 'static) {
    LAST.set(Last(Some(Box::new(work))));
}

/// Uses the pool on a thread, and once more where the thread ends: both after and before the destruction
/// of everything that the first use has made there.
fn at_a_threads_end(work: impl Fn() + Send + Sync + 'static) {
    let work = Arc::new(work);
    for is_first in [true, false] {
        let work = work.clone();
        let thread = thread::spawn(move || {
            let again = work.clone();
            let leave = || when_this_thread_ends(move || again());
            if is_first {
                leave();
                work();
            } else {
                work();
                leave();
            }
        });
        assert!(thread.join().is_ok());
    }
}

fn pool() -> Arc<Pool> {
    Arc::new(Pool::builder().threads(1).build().expect("the thread starts"))
}

#[test]
fn a_thread_that_ends_may_spawn_and_join() {
    let pool = pool();
    at_a_threads_end(move || {
        assert_eq!(pool.spawn(|| 2).join().expect("it runs"), 2);
        assert_eq!(pool.spawn_fifo(|| 2).join().expect("it runs"), 2);
        assert_eq!(pool.spawn_blocking(|| 2).join().expect("it runs"), 2);
        let (tell, told) = mpsc::channel();
        pool.spawn_detached(move || tell.send(3).expect("it is waited for"));
        assert_eq!(told.recv(), Ok(3));
        let many: Vec<_> = (0..10).map(|n| pool.spawn(move || n)).collect();
        assert_eq!(as_completed(many).map(|(_, n)| n.expect("it runs")).sum::<i32>(), 45);
        let cancelled = pool.spawn(|| 2);
        cancelled.cancel_handle().cancel();
        drop(cancelled);
    });
}

#[test]
fn a_thread_that_ends_may_wait_for_closures_that_borrow() {
    let pool = pool();
    at_a_threads_end(move || {
        let (one, mut two) = (1, 0);
        assert_eq!(pool.install(|| one + 1), 2);
        assert_eq!(pool.join(|| one, || 2), (1, 2));
        pool.scope(|scope| scope.spawn(|_| two = 2));
        assert_eq!(two, 2);
        assert_eq!(pool.broadcast(|n| n).len(), pool.stats().threads);
        assert!(pool.map(|n| n + one, 0..9).into_iter().map(Result::unwrap).eq(1..10));
    });
}

#[test]
fn a_thread_that_ends_may_use_the_global_pool() {
    at_a_threads_end(|| {
        assert_eq!(spawn(|| 2).join().expect("it runs"), 2);
        assert_eq!(join(|| 1, || 2), (1, 2));
        scope(|scope| scope.spawn(|_| spawn_detached(|| ())));
    });
}

#[test]
fn a_thread_that_ends_may_lock_and_queue_and_have_a_pool_of_its_own() {
    let (lock, queue) = (Arc::new(Lock::new("a", 0)), Arc::new(Queue::bounded(1)));
    at_a_threads_end(move || {
        *lock.lock().expect("there is no ring") += 1;
        let (lock, theirs) = (lock.clone(), queue.clone());
        let pool = pool();
        pool.spawn_detached(move || {
            *blocking(|| lock.lock()).expect("there is no ring") += 1;
            theirs.put(7);
            theirs.put(8);
        });
        assert_eq!((queue.get(), queue.get()), (7, 8));
        drop(pool);
    });
}

/// A worker's thread ends like any other.
#[test]
fn a_worker_that_ends_may_use_another_pool() {
    let (tell, told) = mpsc::channel();
    let (other, ending) = (pool(), pool());
    ending.install(|| {
        when_this_thread_ends(move || {
            let two = other.install(|| 2);
            let three = other.spawn(|| 3).join().expect("it runs");
            tell.send(two + three).expect("it is waited for");
        });
    });
    drop(ending);
    assert_eq!(told.recv(), Ok(5));
}

/// A spare thread goes home while the pool lives, and may own the last reference to the pool.
#[test]
fn a_spare_thread_that_ends_may_end_its_own_pool() {
    let ends: [fn(Pool); 3] = [drop, Pool::shutdown, |pool| assert!(pool.shutdown_timeout(Duration::MAX))];
    for end in ends {
        let pool = Pool::builder().threads(1).build().expect("the thread starts");
        let owned = Arc::new(Mutex::new(None));
        let (tell, told) = mpsc::channel();
        // Of two threads that have nothing to do any one may go home, so both would end the pool.
        let end_with_this_thread = || {
            let (owned, tell) = (owned.clone(), tell.clone());
            move || {
                when_this_thread_ends(move || {
                    let taken: Option<Pool> = owned.lock().expect("nobody panics").take();
                    taken.into_iter().for_each(|pool| {
                        end(pool);
                        tell.send(()).expect("it is waited for");
                    });
                });
            }
        };
        let (go, gate) = mpsc::channel();
        let leave = end_with_this_thread();
        let blocked = pool.spawn_blocking(move || {
            leave();
            gate.recv()
        });
        pool.spawn(end_with_this_thread()).join().expect("the spare thread runs it");
        *owned.lock().expect("nobody panics") = Some(pool);
        go.send(()).expect("it is waited for");
        blocked.join().expect("it runs").expect("it was let go");
        assert_eq!(told.recv(), Ok(()));
    }
}
