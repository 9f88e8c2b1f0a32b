//! Blocking calls from a task: one after the other, and many at a time.

use super::executor::{Brigade, Runtime, Smol, Spawner, Threads, Tokio};
use crate::bench::{Bench, Side, sides, timed};
use std::{
    env, fs,
    future::Future,
    hint::black_box,
    path::PathBuf,
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

/// How many calls an iteration makes.
const CALLS: usize = 200;
/// How many calls are made at a time where there are many.
const AT_A_TIME: usize = 50;
/// How large a small file is, in bytes.
const SMALL_FILE: usize = 100;

/// The goals for calls one after the other, and for many at a time.
const ONE_BY_ONE: f64 = 0.9;
const MANY: f64 = 1.0;

/// The calls that a runtime makes on threads beside its tasks.
trait Offload: Runtime {
    fn unblock(call: impl FnOnce() -> usize + Send + 'static) -> impl Future<Output = usize> + Send;
    fn read(path: PathBuf) -> impl Future<Output = usize> + Send;
    fn metadata(path: PathBuf) -> impl Future<Output = usize> + Send;
    fn look_up(host: &'static str) -> impl Future<Output = usize> + Send;
}

/// The closure returns at once.
fn unblock<R: Offload>(threads: Threads) -> Side {
    one_by_one::<R, _>(threads, |_| R::unblock(|| black_box(1)))
}

/// The same from a spawned task.
fn unblock_in_task<R: Offload>(threads: Threads) -> Side {
    let runtime = R::start(threads);
    timed(CALLS as u64, move |iterations| {
        runtime.block_on(runtime.spawn(async move {
            for _ in 0..iterations as usize * CALLS {
                black_box(R::unblock(|| black_box(1)).await);
            }
        }));
    })
}

fn read<R: Offload>(threads: Threads) -> Side {
    one_by_one::<R, _>(threads, R::read)
}

fn metadata<R: Offload>(threads: Threads) -> Side {
    one_by_one::<R, _>(threads, R::metadata)
}

/// The name is in the hosts file, so no server is asked.
fn look_up<R: Offload>(threads: Threads) -> Side {
    one_by_one::<R, _>(threads, |_| R::look_up("localhost"))
}

fn one_by_one<R: Offload, F: Future<Output = usize>>(
    threads: Threads,
    call: impl Fn(PathBuf) -> F + 'static,
) -> Side {
    let runtime = R::start(threads);
    let file = SmallFile::new();
    timed(CALLS as u64, move |iterations| {
        runtime.block_on(async {
            for _ in 0..iterations as usize * CALLS {
                assert!(call(file.0.clone()).await > 0);
            }
        });
    })
}

/// Tasks that each make a call, at the same time.
fn unblock_many<R: Offload>(threads: Threads) -> Side {
    let runtime = R::start(threads);
    timed(CALLS as u64, move |iterations| {
        let spawner = runtime.spawner();
        runtime.block_on(async {
            for _ in 0..iterations as usize * (CALLS / AT_A_TIME) {
                let call = || async { R::unblock(|| black_box(1)).await };
                let tasks: Vec<_> = (0..AT_A_TIME).map(|_| spawner.spawn(call())).collect();
                for task in tasks {
                    black_box(task.await);
                }
            }
        });
    })
}

/// A file that is removed when it is dropped.
struct SmallFile(PathBuf);

impl SmallFile {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("brigade-bench-{}-{number}", process::id()));
        fs::write(&path, [b'x'; SMALL_FILE]).expect("the folder for temporary files can be written");
        Self(path)
    }
}

impl Drop for SmallFile {
    fn drop(&mut self) {
        // An error leaves the file to the system, which clears that folder.
        let _ = fs::remove_file(&self.0);
    }
}

/// The benches.
pub(crate) fn benches() -> Vec<Bench> {
    macro_rules! kind {
        ($side:ident, $multi:literal, $single:literal, $goal:ident) => {
            [
                against($multi, Threads::Workers(2), ["tokio", "smol"], $goal, kind!(@on $side)),
                against($single, Threads::Current, ["tokio ct", "smol ct"], $goal, kind!(@on $side)),
            ]
        };
        (@on $side:ident) => {
            [$side::<Brigade>, $side::<Tokio>, $side::<Smol>]
        };
    }
    let kinds = [
        kind!(unblock, "unblock", "unblock_ct", ONE_BY_ONE),
        kind!(unblock_in_task, "unblock_task", "unblock_task_ct", ONE_BY_ONE),
        kind!(read, "fs_read", "fs_read_ct", ONE_BY_ONE),
        kind!(metadata, "fs_metadata", "fs_metadata_ct", ONE_BY_ONE),
        kind!(look_up, "dns", "dns_ct", ONE_BY_ONE),
        kind!(unblock_many, "unblock_50", "unblock_50_ct", MANY),
    ];
    kinds.into_iter().flatten().flatten().collect()
}

fn against(
    name: &'static str,
    threads: Threads,
    peers: [&'static str; 2],
    goal: f64,
    [ours, tokio, smol]: [fn(Threads) -> Side; 3],
) -> [Bench; 2] {
    let against = |peer_name, peer: fn(Threads) -> Side| {
        Bench::new(name, peer_name, move || sides(ours(threads), peer(threads))).goal(goal)
    };
    [against(peers[0], tokio), against(peers[1], smol)]
}

const WORKS: &str = "the call succeeds on this machine";

impl Offload for Brigade {
    async fn unblock(call: impl FnOnce() -> usize + Send + 'static) -> usize {
        brigade_runtime::spawn_blocking(call).await.expect(WORKS)
    }

    async fn read(path: PathBuf) -> usize {
        brigade_runtime::fs::read(path).await.expect(WORKS).len()
    }

    async fn metadata(path: PathBuf) -> usize {
        brigade_runtime::fs::metadata(path).await.expect(WORKS).len() as usize
    }

    async fn look_up(host: &'static str) -> usize {
        use brigade_runtime::net::ToAddresses;
        (host, 80).resolve().await.expect(WORKS).len()
    }
}

impl Offload for Tokio {
    async fn unblock(call: impl FnOnce() -> usize + Send + 'static) -> usize {
        tokio::task::spawn_blocking(call).await.expect(WORKS)
    }

    async fn read(path: PathBuf) -> usize {
        tokio::fs::read(path).await.expect(WORKS).len()
    }

    async fn metadata(path: PathBuf) -> usize {
        tokio::fs::metadata(path).await.expect(WORKS).len() as usize
    }

    async fn look_up(host: &'static str) -> usize {
        tokio::net::lookup_host((host, 80)).await.expect(WORKS).count()
    }
}

impl Offload for Smol {
    fn unblock(call: impl FnOnce() -> usize + Send + 'static) -> impl Future<Output = usize> + Send {
        smol::unblock(call)
    }

    async fn read(path: PathBuf) -> usize {
        smol::fs::read(path).await.expect(WORKS).len()
    }

    async fn metadata(path: PathBuf) -> usize {
        smol::fs::metadata(path).await.expect(WORKS).len() as usize
    }

    async fn look_up(host: &'static str) -> usize {
        smol::net::resolve((host, 80)).await.expect(WORKS).len()
    }
}
