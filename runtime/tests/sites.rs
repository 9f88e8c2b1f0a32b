//! The events of a trace: how many they are, and the lines of the program that they name. A process has one
//! session at a time, so the tests take turns.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    Handle, JoinHandle, fs,
    net::{TcpListener, TcpStream},
    run, spawn, spawn_blocking, yield_now,
};
use brigade_trace::{Domain, Event, Kind, Session, Trace};
use std::sync::{Mutex, PoisonError};

fn recorded(body: impl FnOnce()) -> Trace {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let session = Session::start(1 << 14).unwrap();
    body();
    session.stop()
}

#[test]
fn each_site_is_a_line_of_the_program() {
    let folder = std::env::temp_dir();
    let trace = recorded(|| {
        run(async {
            spawn_blocking(|| ()).await.unwrap();
            let here = folder.clone();
            fs::metadata(&folder).await.unwrap();
            spawn(async move { fs::metadata(here).await }).await.unwrap().unwrap();
            let mut entries = fs::read_dir(&folder).await.unwrap();
            drop(entries.next_entry().await);
            Handle::current().spawn_blocking(|| ()).await.unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        });
    });
    let named: Vec<_> = trace.events().filter_map(|event| trace.site(event)).collect();
    assert!(named.len() > 8, "{trace}");
    assert!(named.iter().all(|site| site.contains("tests/sites.rs:")), "{trace}");
}

#[test]
fn a_ping_and_a_pong_of_two_tasks_are_eleven_events() {
    const PAIRS: usize = 100;
    let trace = recorded(|| {
        run(async {
            // The channels of another crate record nothing. `compare trace ping_pong_ct_on` runs the same.
            let pair = || async {
                let (ping, pinged) = tokio::sync::oneshot::channel();
                let (pong, ponged) = tokio::sync::oneshot::channel();
                drop(spawn(async move {
                    pinged.await.unwrap();
                    pong.send(()).unwrap();
                }));
                ping.send(()).unwrap();
                ponged.await.unwrap();
            };
            let pairs: Vec<_> = (0..PAIRS).map(|_| spawn(pair())).collect();
            // They run while this yields, so that nobody waits for one.
            while !pairs.iter().all(JoinHandle::is_finished) {
                yield_now().await;
            }
        });
    });
    let count = |kind| {
        let of_tasks = |event: &&Event| event.kind == kind && event.subject.domain() == Domain::Task;
        trace.events().filter(of_tasks).count()
    };
    let kinds = [Kind::Spawn, Kind::RunBegin, Kind::RunEnd, Kind::Wake, Kind::Complete];
    assert_eq!(kinds.map(count), [2, 3, 3, 1, 2].map(|each| each * PAIRS));
    let all = trace.events().filter(|event| event.subject.domain() == Domain::Task).count();
    assert_eq!(all, 11 * PAIRS);
}
