//! Every order of the ring's protocols, as loom finds them: `RUSTFLAGS="--cfg loom" cargo test -p
//! brigade-process --test loom --release`. The ring has two slots here. Both sides are threads. A lock
//! stands for the kernel's promises about the futex and the bell's descriptor.
#![cfg(loom)]

use brigade_process::model::{Attention, BellMode, Claim, Head, Place, Progress, Ring, WORDS};
use loom::{
    model::Builder,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use std::sync::Arc;

fn check(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

/// The memory that the two processes share.
struct Shared {
    words: Vec<AtomicU64>,
    futex: Mutex<()>,
    woken: Condvar,
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            words: (0..WORDS).map(|_| AtomicU64::new(0)).collect(),
            futex: Mutex::new(()),
            woken: Condvar::new(),
            rung: Mutex::new(false),
            heard: Condvar::new(),
        })
    }

    fn ring(&self) -> Ring<'_> {
        Ring::new(&self.words)
    }

    fn publish(&self, number: u64) {
        let payload = [number as u8; 3];
        let head = Head { kind: 1, place: Place::Inline, length: 3, name: 70 + number };
        self.ring().publish(number, head, &payload);
    }

    /// The pool's `Lane::wake`.
    fn wake(&self) {
        if self.ring().must_wake() {
            let _queue = self.futex.lock().unwrap();
            self.woken.notify_all();
        }
    }

    /// The worker's `wait`, without spinning.
    fn sleep(&self, number: u64) {
        if self.ring().fall_asleep(number) {
            let queue = self.futex.lock().unwrap();
            if self.ring().asleep().load(Ordering::Relaxed) == 1 {
                drop(self.woken.wait(queue).unwrap());
            }
        }
    }

    /// The worker's loop, up to and without call `end`. Returns how many calls it answered.
    fn work(&self, end: u64) -> u64 {
        let (mut number, mut answered) = (1, 0);
        while number < end {
            match self.ring().claim(number) {
                Claim::Mine => {
                    self.answer(number);
                    answered += 1;
                }
                Claim::Withdrawn => {}
                Claim::NotYet => {
                    self.sleep(number);
                    continue;
                }
            }
            self.ring().advance(number + 1);
            if self.ring().must_ring(number) {
                *self.rung.lock().unwrap() = true;
                self.heard.notify_all();
            }
            number += 1;
        }
        answered
    }

    fn answer(&self, number: u64) {
        let mut argument = Vec::new();
        let head = self.ring().call(number, &mut argument).expect("the seal is right");
        assert_eq!((head.name, &argument[..]), (70 + number, &[number as u8; 3][..]));
        let head = Head { kind: 2, place: Place::Inline, length: 2, name: 0 };
        self.ring().finish(number, head, &[90 + number as u8; 2]);
    }

    /// The supervisor's sleep: arms the bell, looks once more, and waits for it to be rung.
    fn hear(&self, bell: BellMode, is_ripe: impl Fn(Ring<'_>) -> bool) {
        self.ring().set_bell(bell);
        Ring::settle();
        if !is_ripe(self.ring()) {
            let mut rung = self.rung.lock().unwrap();
            while !*rung {
                rung = self.heard.wait(rung).unwrap();
            }
            *rung = false;
        }
        self.ring().set_bell(BellMode::Silent);
    }

    fn assert_answered(&self, number: u64) {
        let mut result = Vec::new();
        let head = self.ring().answer(number, &mut result).expect("the seal is right");
        assert_eq!((head.kind, &result[..]), (2, &[90 + number as u8; 2][..]));
    }
}

/// Makes a ring with these calls published, and a worker that answers up to and without call `end`.
fn start(published: &[u64], end: u64) -> (Arc<Shared>, thread::JoinHandle<u64>) {
    let shared = Shared::new();
    published.iter().for_each(|&number| shared.publish(number));
    let theirs = shared.clone();
    (shared, thread::spawn(move || theirs.work(end)))
}

fn is_done(number: u64) -> impl Fn(Ring<'_>) -> bool {
    move |ring| ring.progress(number) == Progress::Done
}

#[test]
fn a_call_is_claimed_or_withdrawn_and_never_both() {
    check(|| {
        let shared = Shared::new();
        shared.publish(1);
        let worker = thread::spawn({
            let shared = shared.clone();
            move || shared.ring().claim(1)
        });
        let withdrawn = shared.ring().withdraw(1);
        let expected = if withdrawn { Progress::Unbegun } else { Progress::Begun };
        assert_eq!(shared.ring().progress(1), expected);
        assert_eq!(worker.join().unwrap(), if withdrawn { Claim::Withdrawn } else { Claim::Mine });
    });
}

#[test]
fn a_worker_that_falls_asleep_is_woken_for_a_call() {
    check(|| {
        let (shared, worker) = start(&[], 2);
        shared.publish(1);
        shared.wake();
        assert_eq!(worker.join().unwrap(), 1);
        shared.assert_answered(1);
    });
}

#[test]
fn an_answer_rings_or_is_seen() {
    check(|| {
        let (shared, worker) = start(&[1], 2);
        shared.hear(BellMode::EachAnswer, is_done(1));
        assert_eq!(shared.ring().progress(1), Progress::Done);
        shared.assert_answered(1);
        worker.join().unwrap();
    });
}

#[test]
fn the_last_answer_of_a_flood_rings_or_is_seen() {
    check(|| {
        let (shared, worker) = start(&[1, 2], 3);
        shared.hear(BellMode::LowWater, is_done(2));
        while shared.ring().progress(2) != Progress::Done {
            shared.hear(BellMode::LowWater, is_done(2));
        }
        shared.assert_answered(1);
        shared.assert_answered(2);
        worker.join().unwrap();
    });
}

#[test]
fn a_withdrawn_call_that_is_skipped_rings_or_is_seen() {
    check(|| {
        let shared = Shared::new();
        shared.publish(1);
        assert!(shared.ring().withdraw(1));
        let worker = thread::spawn({
            let shared = shared.clone();
            move || shared.work(2)
        });
        shared.hear(BellMode::EachAnswer, |ring| ring.is_past(1));
        assert!(shared.ring().is_past(1));
        assert_eq!(worker.join().unwrap(), 0);
    });
}

#[test]
fn an_answered_slot_is_used_again() {
    check(|| {
        let (shared, worker) = start(&[1, 2], 4);
        shared.hear(BellMode::EachAnswer, is_done(1));
        shared.assert_answered(1);
        shared.publish(3);
        shared.wake();
        assert_eq!(worker.join().unwrap(), 3);
        shared.assert_answered(2);
        shared.assert_answered(3);
    });
}

#[test]
fn a_withdrawn_slot_is_used_again_once_the_worker_is_past_it() {
    check(|| {
        let (shared, worker) = start(&[1], 4);
        let withdrawn = shared.ring().withdraw(1);
        shared.publish(2);
        shared.wake();
        shared.hear(BellMode::EachAnswer, |ring| ring.is_past(1));
        assert!(shared.ring().is_past(1));
        shared.publish(3);
        shared.wake();
        assert_eq!(worker.join().unwrap(), if withdrawn { 2 } else { 3 });
        shared.assert_answered(3);
    });
}

/// The pool's state under its lock: the attention for the lane, and how many answers were fetched.
#[derive(Default)]
struct Pool {
    attention: Attention,
    fetched: u64,
    over: bool,
}

/// The pool's side of one lane: the lock, and the joiners that wait for their handles.
struct Front {
    shared: Arc<Shared>,
    pool: Mutex<Pool>,
    finished: Condvar,
}

impl Front {
    /// `PoolState::harvest`, and `finish`.
    fn harvest(&self, pool: &mut Pool) {
        while is_done(pool.fetched + 1)(self.shared.ring()) {
            pool.fetched += 1;
            self.finished.notify_all();
        }
    }

    /// `PoolState::arm`.
    fn arm(&self, fetched: u64) -> bool {
        self.shared.ring().set_bell(BellMode::EachAnswer);
        Ring::settle();
        let ripe = is_done(fetched + 1)(self.shared.ring());
        if ripe {
            self.shared.ring().set_bell(BellMode::Silent);
        }
        !ripe
    }

    fn ring(&self) {
        *self.shared.rung.lock().unwrap() = true;
        self.shared.heard.notify_all();
    }

    /// `Supervisor::run`.
    fn supervise(&self) {
        loop {
            {
                let mut pool = self.pool.lock().unwrap();
                self.harvest(&mut pool);
                if pool.over {
                    return;
                }
                let fetched = pool.fetched;
                if !pool.attention.fall_asleep(|| self.arm(fetched)) {
                    continue;
                }
            }
            let mut rung = self.shared.rung.lock().unwrap();
            while !*rung {
                rung = self.shared.heard.wait(rung).unwrap();
            }
            *rung = false;
            drop(rung);
            self.pool.lock().unwrap().attention.wake_up();
            self.shared.ring().set_bell(BellMode::Silent);
        }
    }

    /// `Shared::spin_for_answers`, with one look.
    fn spin_for_answers(&self) {
        {
            let mut pool = self.pool.lock().unwrap();
            if !pool.attention.begin() {
                return;
            }
            self.shared.ring().set_bell(BellMode::Silent);
        }
        self.harvest(&mut self.pool.lock().unwrap());
        let mut pool = self.pool.lock().unwrap();
        if pool.attention.end() {
            while !self.arm(pool.fetched) {
                self.harvest(&mut pool);
            }
        }
    }

    /// A handle's `join`, after it has spun.
    fn park(&self, number: u64) {
        let mut pool = self.pool.lock().unwrap();
        while pool.fetched < number {
            pool = self.finished.wait(pool).unwrap();
        }
        pool.over = true;
        if pool.attention.call() {
            drop(pool);
            self.ring();
        }
    }
}

#[test]
fn an_answer_is_fetched_whoever_looks_and_leaves() {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let (shared, worker) = start(&[1], 2);
        let front = Arc::new(Front { shared, pool: Mutex::default(), finished: Condvar::new() });
        let supervisor = thread::spawn({
            let front = front.clone();
            move || front.supervise()
        });
        front.spin_for_answers();
        front.park(1);
        supervisor.join().unwrap();
        worker.join().unwrap();
    });
}
