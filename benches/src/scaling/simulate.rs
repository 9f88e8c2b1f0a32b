//! One simulation: a shape, a number of cores, the costs, a design.

use super::{
    costs::Costs,
    engine::{Engine, nanos},
    pool::{Job, Registry, worker::Worker as PoolWorker},
    runtime::{
        Design, Shared,
        task::{Body, MILLISECOND, Next},
        worker::Worker,
    },
    shape::{Shape, Size},
};
use std::rc::Rc;

/// The length of a leaf, and of a job from outside, in nanoseconds.
pub(crate) const LEAF: f64 = 1_000.0;

/// The outcome of a simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// How many items were done.
    pub items: u64,
    /// The time from the begin to the end of the last item, in nanoseconds.
    pub wall: f64,
    /// The time that all threads spent on cores, in nanoseconds.
    pub cpu: f64,
    /// The resources by the part of the time in which they were in use, the busiest first. Of several of a
    /// kind it is the busiest that counts.
    pub busy: Vec<(&'static str, f64)>,
}

impl Prediction {
    /// Items in a second.
    pub fn rate(&self) -> f64 {
        self.items as f64 / self.wall * 1e9
    }

    /// The part of the time in which the resource of this name was in use.
    pub fn utilisation(&self, name: &str) -> f64 {
        self.busy.iter().find(|(of, _)| *of == name).map_or(0.0, |(_, part)| *part)
    }
}

/// Simulates a shape on a machine with so many cores.
///
/// # Panics
///
/// Panics if the threads of the model wait for each other, which would be a mistake in the model.
pub fn simulate(shape: Shape, cores: usize, costs: &Costs, design: Design, seed: u64) -> Prediction {
    let engine = Engine::new(cores);
    let costs = &costs.on(cores);
    let items = if shape.is_of_runtime() {
        of_runtime(shape, &engine, costs, design, seed)
    } else {
        of_pool(shape, &engine, costs)
    };
    let wall = nanos(engine.now());
    let mut busy: Vec<_> =
        engine.busiest().into_iter().map(|(name, time)| (name, nanos(time) / wall)).collect();
    busy.sort_by(|a, b| b.1.total_cmp(&a.1));
    Prediction { items, wall, cpu: nanos(engine.cpu()), busy }
}

fn of_runtime(shape: Shape, engine: &Rc<Engine>, costs: &Costs, design: Design, seed: u64) -> u64 {
    let workers = shape.workers(engine.cores);
    let Size { count, times } = shape.size(workers);
    let shared = Shared::new(engine, *costs, workers, design);
    for index in 0..workers {
        let shared = shared.clone();
        engine.start(|thread| async move { Worker::new(thread, index, shared, seed).run().await });
    }
    let spawner =
        |rounds, count, child| Body::Spawner { rounds, count, child: Box::new(child), next: Next::Spawn };
    let (root, ends_after) = match shape {
        Shape::SpawnJoin => {
            (Some(spawner(times, count, Body::Empty { is_counted: false })), count * times + 1)
        }
        Shape::Yields => (Some(spawner(1, count, Body::Yielder { left: times })), count + 1),
        // The servers do not end.
        Shape::Echo => (Some(spawner(1, 2 * count, Body::Client { left: times, partner: 0 })), count),
        Shape::Ticks => {
            (Some(spawner(1, count, Body::Ticker { left: times, period: MILLISECOND })), count + 1)
        }
        _ => (None, count),
    };
    shared.tasks.ends_after.set(ends_after as u64);
    let outside = shared.clone();
    engine.start(|thread| async move {
        match root {
            Some(root) => {
                let root = outside.tasks.add(root, thread.core(), 0);
                outside.inject(&thread, root).await;
            }
            None => {
                for number in 0..count {
                    thread.work(outside.costs.inject).await;
                    outside.counter.write(&thread).await;
                    let task = outside.tasks.add(Body::Empty { is_counted: true }, thread.core(), number);
                    outside.inject(&thread, task).await;
                }
            }
        }
        // Gives its core away.
        thread.park(None).await;
    });
    assert!(engine.run(), "the workers of the model sleep, and there is work");
    shared.tasks.items.get()
}

fn of_pool(shape: Shape, engine: &Rc<Engine>, costs: &Costs) -> u64 {
    let workers = shape.workers(engine.cores);
    let Size { count, times } = shape.size(workers);
    let leaf = costs.leaf;
    let registry = Registry::new(engine, *costs, workers);
    for index in 0..workers {
        let registry = registry.clone();
        engine.start(|thread| async move { PoolWorker::new(thread, index, registry).run().await });
    }
    registry.ends_after.set((count * times) as u64);
    let outside = registry.clone();
    engine.start(|thread| async move {
        match shape {
            Shape::Tree => {
                outside.submit(&thread, Job::Tree { rounds: times, count, length: leaf }).await;
            }
            Shape::Scope(length) => {
                let length = f64::from(length) * leaf / LEAF;
                outside.submit(&thread, Job::Scope { rounds: times, count, length }).await;
            }
            Shape::LoopsOutside => {
                for _ in 0..times {
                    outside.install_loop(&thread, count, leaf).await;
                }
            }
            _ => {
                for _ in 0..count {
                    outside.counter.write(&thread).await;
                    outside.submit(&thread, Job::Submitted { length: leaf }).await;
                }
            }
        }
        thread.park(None).await;
    });
    assert!(engine.run(), "the workers of the model sleep, and there is work");
    registry.items.get()
}
