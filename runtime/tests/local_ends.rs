//! How a current-thread runtime ends while its tasks go on spawning: from tasks, from destructors, from
//! wakers.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::OnDrop;
use brigade_runtime::{
    Elapsed, JoinError, JoinHandle, JoinSet, Runtime, run, sleep, spawn, spawn_local, task_group, yield_now,
};
use std::{
    cell::{Cell, RefCell},
    future::{Future, pending},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);

fn is_cancelled<T: std::fmt::Debug>(handle: JoinHandle<T>) -> bool {
    matches!(handle.join(), Err(JoinError::Cancelled(_)))
}

#[test]
fn run_ends_when_a_task_spawns_a_local_one_at_the_end() {
    let late = Arc::new(Mutex::new(None));
    let theirs = late.clone();
    run(async {
        drop(spawn(async move { *theirs.lock().unwrap() = Some(spawn_local(pending::<()>())) }));
        // The end waits for this one, and meanwhile the task above runs.
        drop(spawn_local(pending::<()>()));
    });
    assert!(is_cancelled(late.lock().unwrap().take().unwrap()));
}

#[test]
fn a_shutdown_with_a_deadline_ends_local_tasks_too() {
    let runtime = Runtime::current_thread().unwrap();
    let stuck = Arc::new(Mutex::new(None));
    let theirs = stuck.clone();
    drop(runtime.spawn(async move { *theirs.lock().unwrap() = Some(spawn_local(pending::<()>())) }));
    assert_eq!(runtime.shutdown_timeout(5 * MS), Err(Elapsed));
    assert!(is_cancelled(stuck.lock().unwrap().take().unwrap()));
}

#[test]
fn a_shutdown_lets_local_tasks_run_to_their_end() {
    let runtime = Runtime::current_thread().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let theirs = count.clone();
    drop(runtime.spawn(async move {
        drop(spawn_local(async move {
            sleep(MS).await;
            let inner = theirs.clone();
            drop(spawn_local(async move { _ = inner.fetch_add(1, Ordering::Relaxed) }));
        }));
    }));
    runtime.shutdown();
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

/// Spawns a local task at each poll, for ever.
async fn multiply() {
    loop {
        drop(spawn_local(Box::pin(multiply()) as Pin<Box<dyn Future<Output = ()>>>));
        yield_now().await;
    }
}

#[test]
fn local_tasks_that_spawn_at_each_poll_end_with_everything() {
    run(async {
        drop(spawn_local(multiply()));
        yield_now().await;
    });
    let runtime = Runtime::current_thread().unwrap();
    runtime.block_on(async {
        drop(spawn_local(multiply()));
        yield_now().await;
    });
    drop(runtime.spawn(async { drop(spawn_local(multiply())) }));
    assert_eq!(runtime.shutdown_timeout(MS), Err(Elapsed));
    let runtime = Runtime::current_thread().unwrap();
    drop(runtime.spawn(async { drop(spawn_local(multiply())) }));
    drop(runtime);
}

#[test]
fn destructors_of_local_tasks_may_spawn_others() {
    let refused = Rc::new(Cell::new(0));
    let theirs = refused.clone();
    run(async move {
        drop(spawn_local(async move {
            let _guard = OnDrop(|| {
                for handle in
                    [spawn_local(pending::<()>()), spawn_local(async { unreachable!("it is refused") })]
                {
                    theirs.set(theirs.get() + u32::from(handle.is_finished()));
                }
            });
            pending::<()>().await;
        }));
        yield_now().await;
    });
    assert_eq!(refused.get(), 2);
}

#[test]
fn groups_and_sets_that_spawn_at_the_end_are_cancelled_as_well() {
    let ended = Rc::new(RefCell::new(Vec::new()));
    let (in_group, in_set) = (ended.clone(), ended.clone());
    run(async move {
        drop(spawn_local(async move {
            let _guard = OnDrop(|| {
                let mut group = Box::pin(task_group(async |group| {
                    assert!(group.spawn_local(pending::<()>()).await.is_err());
                    in_group.borrow_mut().push("group");
                }));
                assert!(group.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
                let mut set = JoinSet::new();
                set.spawn_local(pending::<()>());
                assert!(matches!(set.try_join_next(), Some(Err(JoinError::Cancelled(_)))));
                in_set.borrow_mut().push("set");
            });
            pending::<()>().await;
        }));
        yield_now().await;
    });
    assert_eq!(*ended.borrow(), ["group", "set"]);
}

#[test]
fn the_future_of_run_is_dropped_inside_it_also_when_it_panics() {
    struct Main<F>(F);
    impl<F: FnMut() -> Poll<()> + Unpin> Future for Main<F> {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            (self.0)()
        }
    }
    let kinds = [Runtime::current_thread().unwrap(), Runtime::multi_thread(1).unwrap()];
    for panics in [false, true] {
        let mut handles = Vec::new();
        for runtime in &kinds {
            let guard = OnDrop(|| handles.push(spawn(pending::<()>())));
            let main = Main(move || {
                let _guard = &guard;
                assert!(!panics);
                Poll::Ready(())
            });
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(main)));
            assert_eq!(result.is_err(), panics);
        }
        let cancel: Vec<_> = handles.iter().map(JoinHandle::cancel_handle).collect();
        cancel.iter().for_each(|handle| handle.cancel());
        kinds[0].block_on(yield_now());
        assert!(handles.into_iter().all(is_cancelled));
    }
}

#[test]
fn a_waker_may_spawn_a_local_task_while_the_runtime_ends() {
    /// The waker of another executor, which spawns when it is woken.
    struct Spawns(Mutex<Vec<JoinHandle<()>>>);
    impl Wake for Spawns {
        fn wake(self: Arc<Self>) {
            self.0.lock().unwrap().push(spawn_local(pending()));
        }
    }
    let spawns = Arc::new(Spawns(Mutex::default()));
    let theirs = spawns.clone();
    run(async move {
        let mut waits = spawn_local(pending::<()>());
        // Woken when the task is cancelled, at the end.
        assert!(Pin::new(&mut waits).poll(&mut Context::from_waker(&theirs.into())).is_pending());
        drop(spawn_local(async move {
            let _waits = waits;
            pending::<()>().await;
        }));
        yield_now().await;
    });
    assert!(spawns.0.lock().unwrap().drain(..).all(is_cancelled));
}

/// Spawns another of itself when it is dropped, until `left` is used up.
struct Heir {
    left: Arc<AtomicUsize>,
    spawn: fn(Heir),
}

impl Drop for Heir {
    fn drop(&mut self) {
        let more = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if more.is_ok() {
            (self.spawn)(Self { left: self.left.clone(), spawn: self.spawn });
        }
    }
}

async fn hold(heir: Heir) {
    let _heir = heir;
    pending::<()>().await;
}

fn spawns(heir: Heir) {
    drop(spawn(hold(heir)));
}

fn spawns_local(heir: Heir) {
    drop(spawn_local(hold(heir)));
}

#[test]
fn a_chain_of_destructors_that_spawn_is_dropped_to_its_end() {
    let left = || Arc::new(AtomicUsize::new(50_000));
    for spawn in [spawns, spawns_local] {
        let left = left();
        let heir = Heir { left: left.clone(), spawn };
        run(async { spawn(heir) });
        assert_eq!(left.load(Ordering::Relaxed), 0);
    }
    for runtime in [Runtime::current_thread().unwrap(), Runtime::multi_thread(1).unwrap()] {
        let left = left();
        drop(runtime.spawn(hold(Heir { left: left.clone(), spawn: spawns })));
        drop(runtime);
        assert_eq!(left.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_chain_without_an_end_is_cut() {
    let left = || Arc::new(AtomicUsize::new(usize::MAX));
    for spawn in [spawns, spawns_local] {
        run(async { spawn(Heir { left: left(), spawn }) });
    }
    for runtime in [Runtime::current_thread().unwrap(), Runtime::multi_thread(2).unwrap()] {
        drop(runtime.spawn(hold(Heir { left: left(), spawn: spawns })));
        drop(runtime);
    }
}

#[test]
fn tasks_that_are_not_local_go_on_with_the_next_block_on() {
    let runtime = Runtime::current_thread().unwrap();
    let mut task = None;
    runtime.block_on(async {
        drop(spawn_local(pending::<()>()));
        yield_now().await;
        task = Some(spawn(async {
            yield_now().await;
            7
        }));
    });
    assert_eq!(runtime.block_on(task.unwrap()).unwrap(), 7);
}
