//! Tests of the engine, and of what every prediction must fulfil. None of them reads the clock.

use super::{
    costs::Costs,
    engine::{
        Call, Engine,
        line::{Line, Lock},
        nanos,
    },
    report,
    runtime::Design,
    shape::Shape,
    simulate::{LEAF, Prediction, simulate},
};
use std::{cell::RefCell, rc::Rc};

const DESIGNS: [Design; 2] = [Design::OneDriver, Design::DriverPerWorker];
const CORES: [usize; 2] = [1, 3];

fn predict(shape: Shape, cores: usize, design: Design, seed: u64) -> Prediction {
    simulate(shape, cores, &Costs::REFERENCE, design, seed)
}

/// Every shape on some cores, under each design that it knows.
fn each(mut check: impl FnMut(Shape, usize, Design)) {
    for shape in Shape::ALL {
        for cores in CORES {
            DESIGNS
                .into_iter()
                .filter(|design| shape.is_of_runtime() || *design == Design::OneDriver)
                .for_each(|design| check(shape, cores, design));
        }
    }
}

#[test]
fn the_same_seed_has_the_same_outcome() {
    each(|shape, cores, design| {
        if cores > 1 {
            assert_eq!(
                predict(shape, cores, design, 7),
                predict(shape, cores, design, 7),
                "{shape:?} {cores}"
            );
        }
    });
}

#[test]
fn each_item_is_done_once_and_not_faster_than_its_work_on_all_cores() {
    // A task that were queued twice would panic in `run_task`.
    each(|shape, cores, design| {
        let prediction = predict(shape, cores, design, 1);
        let size = shape.size(shape.workers(cores));
        assert_eq!(prediction.items, (size.count * size.times) as u64, "{shape:?} {cores} {design:?}");
        assert!(prediction.cpu <= prediction.wall * cores as f64 * 1.000_001, "{shape:?} {cores} {design:?}");
        let length = match shape {
            Shape::Scope(length) => f64::from(length),
            Shape::Tree | Shape::SubmitOutside | Shape::LoopsOutside => LEAF,
            Shape::SpawnJoin => Costs::REFERENCE.run,
            Shape::SpawnOutside => Costs::REFERENCE.run_injected,
            Shape::Yields | Shape::Ticks => Costs::REFERENCE.requeue,
            Shape::Echo => 2.0 * (Costs::REFERENCE.write + Costs::REFERENCE.read),
        };
        let ideal = length * prediction.items as f64 / cores as f64;
        assert!(prediction.wall >= ideal, "{shape:?} {cores}: {} is below {ideal}", prediction.wall);
        for (name, part) in prediction.busy {
            assert!((0.0..=1.001).contains(&part), "{shape:?} {cores}: {name} is in use for {part}");
        }
    });
}

#[test]
fn what_one_thread_makes_bounds_the_rate() {
    // Amdahl: the spawns of one task come one after another, whatever the number of cores.
    let costs = Costs::REFERENCE;
    for cores in [2, 8] {
        let prediction = predict(Shape::SpawnJoin, cores, Design::OneDriver, 1);
        assert!(prediction.rate() <= 1e9 / (costs.spawn + costs.join), "{cores}");
        let prediction = predict(Shape::SpawnOutside, cores, Design::OneDriver, 1);
        assert!(prediction.rate() <= 1e9 / costs.inject, "{cores}");
    }
}

#[test]
fn a_fork_join_tree_uses_all_of_eight_cores() {
    let speed_up = predict(Shape::Tree, 8, Design::OneDriver, 1).rate()
        / predict(Shape::Tree, 1, Design::OneDriver, 1).rate();
    assert!((6.0..=8.0).contains(&speed_up), "{speed_up}");
}

#[test]
fn one_driver_is_saturated_by_many_connections_and_one_for_each_worker_is_not() {
    let [one, each] = DESIGNS.map(|design| predict(Shape::Echo, 32, design, 1));
    assert!(one.utilisation("driver lock") > report::SATURATED, "{:?}", one.busy);
    assert!(each.rate() > 1.5 * one.rate(), "{} and {}", each.rate(), one.rate());
}

/// Two cores write a line by turns. By hand, with a transfer of 100 ns:
///
/// ```text
///   core 0   0 first write, free   10 … 10   wants it at 10, gets it at 200   done at 210
///   core 1   wants it at 0, gets it at 100 … 110
/// ```
#[test]
fn a_line_travels_for_one_core_at_a_time() {
    let engine = Engine::new(2);
    let line = Rc::new(Line::new(&engine, "line", 0, 100.0));
    let log = Rc::new(RefCell::new(Vec::new()));
    for number in 0..2 {
        let (line, log) = (line.clone(), log.clone());
        engine.start(move |thread| async move {
            for _ in 0..2 - number {
                line.write(&thread).await;
                thread.work(10.0).await;
                log.borrow_mut().push((number, nanos(thread.now())));
            }
        });
    }
    assert!(!engine.run(), "no thread stops it, so it ends when nobody has anything to do");
    assert_eq!(*log.borrow(), [(0, 10.0), (1, 110.0), (0, 210.0)]);
    assert_eq!(nanos(engine.cpu()), 320.0);
    assert_eq!(nanos(engine.busiest()["line"]), 200.0);
}

/// Three threads on two cores: the third waits until the first one sleeps.
#[test]
fn a_thread_without_a_core_waits_for_one() {
    let engine = Engine::new(2);
    let ends = Rc::new(RefCell::new(Vec::new()));
    for number in 0..3 {
        let (ends, engine_of) = (ends.clone(), engine.clone());
        engine.start(move |thread| async move {
            thread.work(100.0 * f64::from(number + 1)).await;
            ends.borrow_mut().push((number, nanos(thread.now())));
            if number == 2 {
                engine_of.stop();
            }
            thread.park(None).await;
        });
    }
    assert!(engine.run());
    assert_eq!(*ends.borrow(), [(0, 100.0), (1, 200.0), (2, 400.0)]);
}

#[test]
fn a_call_before_the_sleep_ends_it_at_once_and_a_lock_keeps_others_out() {
    let engine = Engine::new(3);
    let costs = Costs { line: 0.0, ..Costs::REFERENCE };
    let lock = Rc::new(Lock::new(Line::new(&engine, "lock", 0, costs.line), costs.lock()));
    let inside = Rc::new(RefCell::new((0, 0)));
    for number in 0..3 {
        let (lock, inside) = (lock.clone(), inside.clone());
        engine.start(move |thread| async move {
            thread.engine.call(thread.id, Call::Unpark, 0.0);
            thread.park(None).await;
            for _ in 0..50 {
                lock.lock(&thread).await;
                inside.borrow_mut().0 += 1;
                assert_eq!(inside.borrow().0, 1, "one thread has the lock");
                // Longer than a thread spins, so that some sleep.
                thread.work(1_000.0 * f64::from(number)).await;
                inside.borrow_mut().0 -= 1;
                inside.borrow_mut().1 += 1;
                lock.unlock(&thread).await;
                thread.work(10.0).await;
            }
        });
    }
    assert!(!engine.run());
    assert_eq!(*inside.borrow(), (0, 150), "each thread had it fifty times, so none sleeps for ever");
}

#[test]
fn a_table_is_put_between_its_marks() {
    let document = "a\n<!-- costs -->\nold\n<!-- end of costs -->\nb\n";
    let new = report::put_into(document, "costs", "new\n").unwrap();
    assert_eq!(new, "a\n<!-- costs -->\n```text\nnew\n```\n<!-- end of costs -->\nb\n");
    assert_eq!(report::put_into(document, "curves", ""), None);
}
