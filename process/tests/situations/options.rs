//! The options that a builder has for workers, and the statistics.

use crate::{
    gate::{Gate, wait_at},
    path::launcher,
    sys,
};
use brigade_process::{Argv, Builder, JoinError, Lost, ProcessPool, worker_index};
use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    path::PathBuf,
    process,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

fn builder(workers: usize) -> Builder {
    ProcessPool::builder().workers(workers).launcher(launcher())
}

static RECIPE: OnceLock<String> = OnceLock::new();

pub(crate) fn each_worker_is_initialized_before_its_first_call() {
    let load = |name: String| drop(RECIPE.set(format!("{name} of worker {}", worker_index().unwrap())));
    let procs = builder(2).initializer(load, "soup".to_owned()).build().unwrap();
    let told = |(): ()| (RECIPE.get().unwrap().clone(), worker_index().unwrap());
    for _ in 0..20 {
        let (recipe, index) = procs.spawn(told, ()).join().unwrap();
        assert_eq!(recipe, format!("soup of worker {index}"));
        let before = procs.worker_ids();
        sys::kill(before[0]);
    }
    assert!(RECIPE.get().is_none(), "not in this process");
}

static DOUBLE: OnceLock<u64> = OnceLock::new();

pub(crate) fn an_initializer_may_have_a_pool_of_its_own() {
    let double = |n: u64| {
        let inner = ProcessPool::new(1).unwrap();
        let _ = DOUBLE.set(inner.spawn(|n: u64| n * 2, n).join().unwrap());
        inner.shutdown();
    };
    let procs = builder(2).initializer(double, 21).build().unwrap();
    assert_eq!(procs.spawn(|(): ()| *DOUBLE.get().unwrap(), ()).join().unwrap(), 42);
    procs.shutdown();
    assert!(sys::has_no_child());
}

pub(crate) fn a_failing_initializer_is_told() {
    let procs = builder(2).initializer(|n: u32| panic!("no oven {n}"), 7).build().unwrap();
    let Err(JoinError::Lost(Lost::NotStarted(why), _)) = procs.spawn(|n: u32| n, 1).join() else { panic!() };
    assert!(why.contains("no oven 7") && why.contains("initializer"), "{why}");
    procs.shutdown();
    assert!(sys::has_no_child());
}

pub(crate) fn a_worker_is_recycled_after_its_calls() {
    let procs = builder(1).max_calls_per_worker(3).build().unwrap();
    let ids: Vec<u32> = (0..9).map(|_| procs.spawn(|(): ()| process::id(), ()).join().unwrap()).collect();
    let different: BTreeSet<u32> = ids.iter().copied().collect();
    assert_eq!(different.len(), 3, "{ids:?}");
    assert!((0..60).eq(procs.map(|n: u32| n, 0..60).into_iter().map(Result::unwrap)));
    let told = procs.statistics();
    assert!(told.recycled >= 20 && told.deaths == 0, "{told:?}");
    procs.shutdown();
    assert!(sys::has_no_child());
}

/// Takes `bytes` bytes of memory, and keeps them.
fn take(bytes: usize) -> usize {
    let taken = vec![1_u8; bytes];
    std::hint::black_box(&taken);
    std::mem::forget(taken);
    bytes
}

const LIMIT: u64 = 64 << 20;

pub(crate) fn a_worker_that_has_grown_is_recycled() {
    let procs = builder(1).memory_limit(LIMIT).build().unwrap();
    let grown = procs.spawn(take, 100 << 20).join();
    // Mostly it answers before the pool has looked.
    assert!(matches!(grown, Ok(_) | Err(JoinError::Lost(Lost::OverMemory { limit: LIMIT }, _))), "{grown:?}");
    assert_eq!(procs.spawn(take, 1).join().unwrap(), 1);
    assert_eq!(procs.statistics().over_memory, 1);
}

pub(crate) fn a_call_that_takes_too_much_is_killed() {
    let procs = builder(2).memory_limit(LIMIT).build().unwrap();
    let gate = Gate::new();
    let greedy = |port: u16| {
        take(100 << 20);
        wait_at(port)
    };
    let error = procs.spawn(greedy, gate.port()).join().unwrap_err();
    assert!(matches!(error, JoinError::Lost(Lost::OverMemory { limit: LIMIT }, _)), "{error}");
    assert_eq!(procs.spawn(take, 1).join().unwrap(), 1);
}

/// A command that stays in front, whose memory says nothing about the worker's; with the pool's own process
/// ids and with others.
pub(crate) fn a_memory_limit_holds_behind_a_command_that_stays() {
    let stays = ["sh", "-c", "\"$@\"; true", "sh"];
    let elsewhere = ["unshare", "--user", "--pid", "--fork", "--kill-child"];
    let may_unshare = process::Command::new("unshare").args(&elsewhere[1..]).arg("true").output();
    let elsewhere = Some(&elsewhere[..]).filter(|_| may_unshare.is_ok_and(|output| output.status.success()));
    for command in [Some(&stays[..]), elsewhere].into_iter().flatten() {
        for launcher in [Argv::new(command), Argv::new(command).dial_back(Ipv4Addr::LOCALHOST.into())] {
            let procs =
                ProcessPool::builder().workers(1).launcher(launcher).memory_limit(LIMIT).build().unwrap();
            let gate = Gate::new();
            let greedy = |port: u16| {
                take(100 << 20);
                wait_at(port)
            };
            let error = procs.spawn(greedy, gate.port()).join().unwrap_err();
            assert!(
                matches!(error, JoinError::Lost(Lost::OverMemory { limit: LIMIT }, _)),
                "{command:?}: {error}"
            );
            assert_eq!(procs.spawn(take, 1).join().unwrap(), 1);
            assert_eq!(procs.statistics().over_memory, 1);
            procs.shutdown();
            assert!(sys::has_no_child());
        }
    }
}

fn status(field: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|line| line.strip_prefix(field)).unwrap().trim_matches([':', '\t']).to_owned()
}

pub(crate) fn niceness_and_cpus() {
    let procs = builder(2).nice(3).affinity([[0_usize], [1]]).build().unwrap();
    let told = |(): ()| {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let nice: i32 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().parse().unwrap();
        (nice, status("Cpus_allowed_list"), worker_index().unwrap())
    };
    let mine = std::fs::read_to_string("/proc/self/stat").unwrap();
    let mine: i32 = mine.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().parse().unwrap();
    for _ in 0..10 {
        let (nice, cpus, index) = procs.spawn(told, ()).join().unwrap();
        assert_eq!((nice, cpus), ((mine + 3).min(19), index.to_string()));
    }
}

pub(crate) fn environment_and_directory() {
    let told = |name: String| (std::env::var(name).ok(), std::env::current_dir().unwrap());
    let procs = builder(1).env("OVEN", "hot").current_dir("/").build().unwrap();
    assert_eq!(procs.spawn(told, "OVEN".into()).join().unwrap(), (Some("hot".into()), PathBuf::from("/")));
    assert!(procs.spawn(told, "PATH".into()).join().unwrap().0.is_some());
    let procs = builder(1).env("OVEN", "cold").env_clear().build().unwrap();
    assert_eq!(procs.spawn(told, "OVEN".into()).join().unwrap().0, Some("cold".into()));
    assert_eq!(procs.spawn(told, "PATH".into()).join().unwrap().0, None);
    let all = procs.spawn(|(): ()| std::env::vars().count(), ()).join().unwrap();
    assert_eq!(all, 1, "the worker's own variable is not to be seen");
}

pub(crate) fn busy_workers_answer_and_end() {
    let procs = builder(1).busy_poll(Duration::from_millis(2)).build().unwrap();
    for n in 0..500 {
        assert_eq!(procs.spawn(|n: u32| n, n).join().unwrap(), n);
    }
    procs.shutdown();
    assert!(sys::has_no_child());
}

pub(crate) fn workers_and_joiners_may_be_busy_for_ever() {
    let procs = builder(1).busy_poll(Duration::MAX).build().unwrap();
    for n in 0..10 {
        assert_eq!(procs.spawn(|n: u32| n, n).join().unwrap(), n);
    }
    // Its answer comes over the socket.
    assert_eq!(procs.spawn(|n: usize| vec![7_u8; n], 1 << 20).join().unwrap().len(), 1 << 20);
    procs.shutdown();
    assert!(sys::has_no_child());
}

pub(crate) fn an_argument_that_finds_no_place_in_the_ring_is_sent() {
    let procs = builder(1).busy_poll(Duration::MAX).build().unwrap();
    let gate = Gate::new();
    let first = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    // A ring has places for some of them; the others go over the socket, while a joiner looks after the ring.
    let calls: Vec<_> = (0..40).map(|n: u8| procs.spawn(|some: Vec<u8>| some[0], vec![n; 3_000])).collect();
    drop(waiting);
    for (n, call) in calls.into_iter().enumerate().rev() {
        assert_eq!(usize::from(call.join().unwrap()), n);
    }
    assert_eq!(first.join().unwrap(), gate.port());
}

pub(crate) fn a_joiner_that_gives_a_call_with_a_deadline_wakes_the_supervisor() {
    let procs = builder(1).busy_poll(Duration::from_secs(60)).build().unwrap();
    let gate = Gate::new();
    let first = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let endless = procs.call(wait_at, gate.port()).timeout(Duration::from_millis(20)).spawn();
    // The joiner fetches the answer of the first call and gives the second one to the worker, while the
    // supervisor sleeps.
    let let_go = thread::spawn(move || {
        (0..10_000).for_each(|_| thread::yield_now());
        drop(waiting);
    });
    assert_eq!(first.join().unwrap(), gate.port());
    let_go.join().unwrap();
    let begun = Instant::now();
    while !endless.is_finished() {
        assert!(begun.elapsed() < Duration::from_secs(30), "nobody looks at the deadline");
        thread::yield_now();
    }
    assert!(matches!(endless.join(), Err(JoinError::Lost(Lost::TimedOut { .. }, _))));
    procs.shutdown();
}

pub(crate) fn statistics_count_what_was_done() {
    let procs = builder(2).build().unwrap();
    let gate = Gate::new();
    let held: Vec<_> = (0..2).map(|_| procs.call(wait_at, gate.port()).kill_on_cancel().spawn()).collect();
    let waiting = (gate.arrival(), gate.arrival());
    let queued: Vec<_> = (0..3).map(|n| procs.call(|n: u32| n, n).kill_on_cancel().spawn()).collect();
    let told = procs.statistics();
    assert_eq!((told.queued, told.calls, told.workers.len()), (3, 0, 2));
    assert!(told.workers.iter().all(|worker| worker.under_way == 1), "{told:?}");
    drop(waiting);
    held.into_iter().for_each(|handle| _ = handle.join().unwrap());
    queued.into_iter().for_each(|handle| _ = handle.join().unwrap());
    procs.map(|n: u64| n, 0..100).into_iter().for_each(|result| _ = result.unwrap());
    let told = procs.statistics();
    assert_eq!((told.queued, told.calls), (0, 105));
    assert!(told.bytes_sent >= 100 && told.bytes_received >= 100, "{told:?}");
    let indices: BTreeSet<_> = told.workers.iter().map(|worker| worker.index).collect();
    assert!(indices.into_iter().eq(0..2));
    assert_eq!(told.workers.iter().map(|worker| worker.calls).sum::<u64>(), 105);
}

pub(crate) fn a_closed_pool_finishes_and_takes_no_more() {
    let procs = builder(1).build().unwrap();
    let before = procs.spawn(|n: u32| n, 1);
    procs.close();
    let Err(JoinError::Lost(Lost::NotStarted(why), _)) = procs.spawn(|n: u32| n, 2).join() else { panic!() };
    assert!(why.contains("closed"));
    procs.join();
    assert_eq!(before.join().unwrap(), 1);
    assert!(sys::has_no_child());
}
