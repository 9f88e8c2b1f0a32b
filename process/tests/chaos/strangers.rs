//! Connections from strangers, in a storm, while workers dial back, are killed, and are replaced.

use crate::{
    dice::Dice,
    is_long,
    leftovers::Leftovers,
    seconds,
    sys::{self, Signal},
};
use brigade_process::{Argv, JoinError, Lost, ProcessPool};
use brigade_trace::clock;
use std::{
    collections::VecDeque,
    io::Write,
    net::{IpAddr, Ipv4Addr, TcpStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const WORKERS: usize = 1;
/// How many silent connections a stranger holds.
const HELD: usize = 100;
/// The least number of workers that are killed, and of strangers that come.
const LEAST_DEATHS: u64 = 5;
const LEAST_STRANGERS: u64 = 50;

/// Connects to each port that this process opens, over and over, and sends nothing, too little, or garbage.
/// Counts how often.
fn knock(seed: u64, over: &AtomicBool, count: &AtomicU64) {
    let (mut dice, mut held) = (Dice::new(seed), VecDeque::new());
    while !over.load(Ordering::Relaxed) {
        for port in sys::listening_ports() {
            for _ in 0..dice.below(60) {
                let Ok(mut stream) = TcpStream::connect((LOCALHOST, port)) else { break };
                count.fetch_add(1, Ordering::Relaxed);
                let says = b"0123456789abcdef0123456789abcdef and something more";
                let length = if dice.below(3) == 0 { 0 } else { dice.below(says.len() as u64) as usize };
                // The connection may have been closed already.
                let _ = stream.write_all(&says[..length]);
                if dice.below(4) > 0 {
                    held.push_back(stream);
                }
                if held.len() > HELD {
                    held.pop_front();
                }
            }
        }
        thread::park_timeout(Duration::from_micros(dice.below(1_000)));
    }
}

/// Kills workers, all of them after some calls were answered, until it is over: workers that are killed
/// before they are ready would be replaced with longer and longer pauses.
fn kill(procs: &ProcessPool, calls: &AtomicU64, is_over: &dyn Fn(u64) -> bool) {
    let mut dice = Dice::new(3);
    let mut deaths = 0;
    while !is_over(deaths) {
        let until = calls.load(Ordering::Relaxed) + 1 + dice.below(5);
        while calls.load(Ordering::Relaxed) < until && !is_over(deaths) {
            thread::park_timeout(Duration::from_micros(100));
        }
        for victim in procs.worker_ids() {
            sys::send(victim, Signal::Kill);
            deaths += 1;
        }
    }
}

/// Says that it is over when it is dropped.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(crate) fn strangers_in_a_storm_keep_no_worker_out() {
    let before = Leftovers::now();
    // A worker takes its time, as one on another machine does, and meanwhile its port is open.
    let launcher = Argv::new(["sh", "-c", "sleep 0.05; exec \"$@\"", "sh"]).dial_back(LOCALHOST);
    let procs = ProcessPool::builder().workers(WORKERS).launcher(launcher).build().unwrap();
    let (began, time) = (clock::now(), Duration::from_secs(seconds(1)));
    let (over, answered, strangers) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let (mut right, mut lost) = (0_u64, 0_u64);
    thread::scope(|scope| {
        let (procs, over, answered, strangers) = (&procs, &over, &answered, &strangers);
        for seed in 1..=2 {
            scope.spawn(move || knock(seed, over, strangers));
        }
        let is_over = |deaths| {
            let enough = deaths >= LEAST_DEATHS && strangers.load(Ordering::Relaxed) >= LEAST_STRANGERS;
            over.load(Ordering::Relaxed) || enough && began.elapsed() >= time
        };
        let killer = scope.spawn(move || kill(procs, answered, &is_over));
        // This ends the strangers however the test ends.
        let _end = End(over);
        while !killer.is_finished() {
            match procs.spawn(|n: u64| n * 3, right).join() {
                Ok(got) => {
                    assert_eq!(got, right * 3);
                    right += 1;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Err(JoinError::Lost(
                    Lost::Killed { signal: 9 } | Lost::NotStarted(_) | Lost::Quarantined { .. },
                    _,
                )) => lost += 1,
                Err(error) => panic!("{error}"),
            }
        }
        // Strangers go on, and the pool recovers.
        while procs.spawn(|n: u64| n, 1).join().is_err() {}
    });
    let deaths = procs.statistics().deaths;
    procs.shutdown();
    if is_long() {
        let strangers = strangers.into_inner();
        eprintln!("{strangers} strangers, {deaths} deaths, {right} calls right, {lost} lost");
    }
    assert!(deaths > 0 && right > lost, "{deaths} deaths, {right} calls right, {lost} lost");
    before.wait_for();
}
