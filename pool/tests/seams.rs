//! Every way in which a job can sleep tells its pool. Each of these jobs sleeps until another job of the
//! same pool of one thread has run. It would wait for ever if no spare thread took its place.

use brigade_pool::{JoinHandle, Pool, Until, as_completed, lock::Lock, queue::Queue, wait_for};
use std::sync::Arc;

fn one_thread() -> Arc<Pool> {
    Arc::new(Pool::builder().threads(1).build().expect("the thread starts"))
}

/// Runs `sleeps` on the pool. It gets the pool, to have another job done there by another thread.
fn on_one_thread<R: Send + 'static>(sleeps: impl FnOnce(&Arc<Pool>) -> R + Send + 'static) -> R {
    let pool = one_thread();
    let theirs = pool.clone();
    let result = pool.spawn(move || sleeps(&theirs)).join().expect("it does not panic");
    drop(pool);
    result
}

/// Makes a handle that a job of the pool completes. Its work cannot be run in place, so a joiner has to
/// sleep.
fn completed_by_a_job(pool: &Pool, value: u32) -> JoinHandle<u32> {
    let (completer, handle) = brigade_handle::pair();
    pool.spawn_detached(move || _ = completer.complete(Ok(value)));
    handle
}

/// Makes another pool, of which a job waits for a job of the first pool.
fn busy_for(pool: &Arc<Pool>) -> Pool {
    let (other, theirs) = (Pool::builder().threads(1).build().expect("the thread starts"), pool.clone());
    let (tell, begun) = std::sync::mpsc::channel();
    other.spawn_detached(move || {
        tell.send(()).expect("it is waited for");
        assert_eq!(theirs.install(|| 7), 7);
    });
    begun.recv().expect("it begins");
    other
}

#[test]
fn joining_a_handle() {
    assert_eq!(on_one_thread(|pool| completed_by_a_job(pool, 7).join().expect("it is completed")), 7);
}

#[test]
fn joining_several_handles() {
    let sum = on_one_thread(|pool| {
        let handles = [1, 2, 3].map(|value| completed_by_a_job(pool, value));
        as_completed(handles).map(|(_, value)| value.expect("it is completed")).sum::<u32>()
    });
    assert_eq!(sum, 6);
    let done = on_one_thread(|pool| {
        wait_for([1, 2, 3].map(|value| completed_by_a_job(pool, value)), Until::All).done.len()
    });
    assert_eq!(done, 3);
}

#[test]
fn a_lock() {
    let lock = Arc::new(Lock::new("a", 0));
    let held = lock.clone();
    let value = on_one_thread(move |pool| {
        let other = busy_with(&held);
        let lock = held.clone();
        // The holder releases the lock when a job of the pool tells it to.
        pool.spawn_detached(move || other.put(()));
        *lock.lock().expect("there is no ring")
    });
    assert_eq!(value, 1);
}

/// Starts a thread that holds the lock until something is put into the returned queue.
fn busy_with(lock: &Arc<Lock<i32>>) -> Arc<Queue<()>> {
    let (release, lock) = (Arc::new(Queue::unbounded()), lock.clone());
    let (released, (tell, held)) = (release.clone(), std::sync::mpsc::channel());
    std::thread::spawn(move || {
        let mut value = lock.lock().expect("there is no ring");
        tell.send(()).expect("it is waited for");
        released.get();
        *value += 1;
    });
    held.recv().expect("it is held");
    release
}

#[test]
fn a_queue() {
    let got = on_one_thread(|pool| {
        let queue = Arc::new(Queue::bounded(1));
        let theirs = queue.clone();
        pool.spawn_detached(move || theirs.put(7));
        queue.get()
    });
    assert_eq!(got, 7);
    on_one_thread(|pool| {
        let queue = Arc::new(Queue::bounded(1));
        let theirs = queue.clone();
        queue.put(1);
        pool.spawn_detached(move || assert_eq!(theirs.get() + theirs.get(), 3));
        queue.put(2);
    });
    on_one_thread(|pool| {
        let queue = Arc::new(Queue::unbounded());
        let theirs = queue.clone();
        queue.put(7);
        pool.spawn_detached(move || {
            theirs.get();
            theirs.task_done();
        });
        queue.join();
    });
}

#[test]
fn another_pool() {
    on_one_thread(|pool| {
        let (other, theirs) = (one_thread(), pool.clone());
        let needs = move || theirs.install(|| 7);
        assert_eq!(other.install(&needs), 7);
        assert_eq!(other.join(&needs, || 1), (7, 1));
        assert_eq!(other.broadcast(|_| needs()).pop().map(Result::unwrap), Some(7));
        assert!(other.map(|_| needs(), 0..3).into_iter().all(|seven| seven.is_ok_and(|seven| seven == 7)));
        other.scope(|scope| scope.spawn(|_| assert_eq!(needs(), 7)));
    });
}

#[test]
fn the_end_of_another_pool() {
    on_one_thread(|pool| busy_for(pool).shutdown());
    on_one_thread(|pool| _ = busy_for(pool).shutdown_now());
    on_one_thread(|pool| drop(busy_for(pool)));
}

/// There are two threads, so that the stack job and the scope's child are stolen. Both wait for one more
/// job.
#[test]
fn the_end_of_a_stack_job_and_of_a_scope() {
    let pool = Arc::new(Pool::builder().threads(2).build().expect("the threads start"));
    for _ in 0..20 {
        let theirs = pool.clone();
        let waits = move |tell: std::sync::mpsc::Sender<()>| {
            tell.send(()).expect("it is waited for");
            completed_by_a_job(&theirs, 7).join().expect("it is completed")
        };
        let (tell, begun) = std::sync::mpsc::channel();
        let both = pool.join(move || begun.recv().is_ok(), || waits(tell));
        assert_eq!(both, (true, 7));
        let (tell, begun) = std::sync::mpsc::channel();
        let waits = &waits;
        pool.scope(move |scope| {
            scope.spawn(move |_| assert_eq!(waits(tell), 7));
            begun.recv().expect("it begins elsewhere");
        });
    }
}
