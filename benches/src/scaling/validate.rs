//! Compares predictions with this machine, on one core and on two.

use super::{
    calibrate::Changing,
    costs::Costs,
    real::{Measured, Real},
    runtime::Design,
    shape::Shape,
    simulate::{Prediction, simulate},
};
use crate::run::Spread;
use std::io;

/// A prediction may be off by this part.
pub const TOLERANCE: f64 = 0.15;

/// The numbers of cores on which the machine is measured.
const CORES: [usize; 2] = [1, 2];
/// How many runs are not counted.
const WARM_UP_RUNS: usize = 2;

/// A prediction and a measurement of the same run.
#[derive(Debug)]
pub struct Comparison {
    /// The shape.
    pub shape: Shape,
    /// The number of cores and workers.
    pub cores: usize,
    /// The simulation.
    pub predicted: Prediction,
    /// The lower quartiles of the machine's times.
    pub measured: Measured,
}

impl Comparison {
    /// The predicted time divided by the measured one.
    pub fn ratio(&self) -> f64 {
        self.predicted.wall / self.measured.wall
    }

    /// Whether the prediction is within [`TOLERANCE`].
    pub fn holds(&self) -> bool {
        (self.ratio() - 1.0).abs() <= TOLERANCE
    }
}

/// Runs each shape on one core and on two, all of them by turns, and predicts the same. The prices
/// that change are measured between the turns and put into `costs`: the machine under this one may move the
/// two processors at any time, and then a line takes four times as long.
///
/// # Errors
///
/// Returns the error of the system, if it refuses a thread or a socket.
pub fn validate(shapes: &[Shape], costs: &mut Costs, runs: usize, seed: u64) -> io::Result<Vec<Comparison>> {
    let (mut sides, mut prices) = (Vec::new(), Vec::new());
    for (shape, cores) in shapes.iter().flat_map(|&shape| CORES.map(|cores| (shape, cores))) {
        sides.push((shape, cores, Real::start(shape, cores)?, Vec::new()));
    }
    for run in 0..WARM_UP_RUNS + runs.max(1) {
        for (_, _, real, measured) in &mut sides {
            let took = real.run();
            if run >= WARM_UP_RUNS {
                measured.push(took);
            }
        }
        if run >= WARM_UP_RUNS {
            prices.push(Changing::measure()?);
        }
    }
    Changing::low(&prices).put_into(costs);
    let costs = &*costs;
    let compare = |(shape, cores, _, measured): (Shape, usize, Real, Vec<Measured>)| {
        // Other load on the machine only makes a run longer.
        let quartile = |of: fn(&Measured) -> f64| Spread::of(measured.iter().map(of)).low;
        let measured = Measured { wall: quartile(|run| run.wall), cpu: quartile(|run| run.cpu) };
        let predicted = simulate(shape, cores, costs, Design::OneDriver, seed);
        Comparison { shape, cores, predicted, measured }
    };
    Ok(sides.into_iter().map(compare).collect())
}
