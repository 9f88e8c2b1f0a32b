//! The panic handler gets the panics that no handle receives.

use brigade_pool::Pool;
use std::{any::Any, sync::mpsc};

type Payload = Box<dyn Any + Send>;

fn pool() -> (Pool, mpsc::Receiver<Payload>) {
    let (tell, told) = mpsc::channel();
    let pool =
        Pool::builder().threads(2).on_panic(move |payload| tell.send(payload).expect("the test listens"));
    (pool.build().expect("the threads start"), told)
}

#[test]
fn a_detached_job_that_panics_tells_the_handler() {
    let (pool, told) = pool();
    for round in 0..100 {
        let (let_go, gone) = mpsc::channel::<()>();
        drop(pool.spawn(move || {
            gone.recv().unwrap();
            panic!("round {round}")
        }));
        let_go.send(()).unwrap();
        assert_eq!(told.recv().unwrap().downcast_ref::<String>(), Some(&format!("round {round}")));
    }
    pool.shutdown();
    assert!(told.recv().is_err(), "each panic is told once");
}

#[test]
fn a_job_without_a_handle_that_panics_tells_the_handler() {
    let (pool, told) = pool();
    pool.spawn_detached(|| panic!("no handle"));
    assert_eq!(told.recv().unwrap().downcast_ref(), Some(&"no handle"));
    pool.shutdown();
    assert!(told.recv().is_err(), "the panic is told once");
}

#[test]
fn a_panic_that_a_joiner_receives_does_not_reach_the_handler() {
    let (pool, told) = pool();
    assert_eq!(pool.spawn(|| panic!("joined")).join().unwrap_err().panic_message(), Some("joined"));
    assert!(pool.map(|()| panic!("mapped"), [()])[0].is_err());
    pool.shutdown();
    assert!(told.recv().is_err());
}

#[test]
fn a_handler_that_panics_is_ignored() {
    let pool = Pool::builder().threads(1).on_panic(|_| panic!("the handler")).build().unwrap();
    let (let_go, gone) = mpsc::channel::<()>();
    drop(pool.spawn(move || {
        gone.recv().unwrap();
        panic!("the job")
    }));
    let_go.send(()).unwrap();
    assert_eq!(pool.spawn(|| 7).join().unwrap(), 7);
}
