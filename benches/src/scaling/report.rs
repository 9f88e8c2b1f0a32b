//! The tables: costs, validation, predictions, and what another design gains.

use super::{costs::Costs, runtime::Design, shape::Shape, simulate::Prediction, validate::Comparison};
use std::fmt::Write;

/// A resource that is in use for this part of the time or more ends the scaling.
pub const SATURATED: f64 = 0.8;

/// A shape on several numbers of cores.
#[derive(Debug)]
pub struct Curve {
    /// The shape.
    pub shape: Shape,
    /// The number of cores, and the prediction.
    pub points: Vec<(usize, Prediction)>,
}

impl Curve {
    /// The rate at the first point of the curve.
    fn first_rate(&self) -> f64 {
        self.points.first().map_or(f64::NAN, |(_, prediction)| prediction.rate())
    }
}

/// The part of the time in which the cores compute, and the resource that is in use most.
fn in_use(cores: usize, prediction: &Prediction) -> (f64, Option<(&'static str, f64)>) {
    (prediction.cpu / prediction.wall / cores as f64, prediction.busy.first().copied())
}

/// The resource that ends the scaling: the busiest if it is saturated, otherwise the cores if they are.
pub fn limit(cores: usize, prediction: &Prediction) -> &'static str {
    match in_use(cores, prediction) {
        (_, Some((name, part))) if part >= SATURATED => name,
        (part, _) if part >= SATURATED => "cores",
        _ => "–",
    }
}

/// The prices, one a line.
pub fn costs(costs: &Costs) -> String {
    let mut text = String::new();
    for (what, price) in costs.list() {
        _ = writeln!(text, "{what:42} {price:10.1} ns");
    }
    text
}

/// Predictions beside measurements.
pub fn validation(comparisons: &[Comparison]) -> String {
    let mut text = String::from(
        "                        time of an item, ns               CPU of an item, ns\n\
         shape           cores  predicted   measured  deviation  predicted   measured  deviation\n",
    );
    for comparison in comparisons {
        let items = comparison.predicted.items as f64;
        let (predicted, measured) = (&comparison.predicted, &comparison.measured);
        let percent = |ratio: f64| format!("{:+.0} %", 100.0 * (ratio - 1.0));
        _ = writeln!(
            text,
            "{:15} {:5} {:10.1} {:10.1} {:>10} {:10.1} {:10.1} {:>10}{}",
            comparison.shape.name(),
            comparison.cores,
            predicted.wall / items,
            measured.wall / items,
            percent(comparison.ratio()),
            predicted.cpu / items,
            measured.cpu / items,
            percent(predicted.cpu / measured.cpu),
            if comparison.holds() { "" } else { "  *" },
        );
    }
    let held = comparisons.iter().filter(|comparison| comparison.holds()).count();
    _ = writeln!(
        text,
        "{held} of {} times are within 15 %; the others are marked with a star.",
        comparisons.len()
    );
    text
}

/// How each shape scales.
pub fn curves(curves: &[Curve]) -> String {
    let mut text = format!(
        "{:15} {:>5} {:>13} {:>9} {:>11} {:>7}  {:30} {}\n",
        "shape", "cores", "items/s", "speed-up", "CPU/item ns", "cores", "busiest resource", "limit"
    );
    for curve in curves {
        for (cores, prediction) in &curve.points {
            let (part, busiest) = in_use(*cores, prediction);
            let busiest =
                busiest.map_or_else(String::new, |(name, part)| format!("{name} {:.0} %", 100.0 * part));
            _ = writeln!(
                text,
                "{:15} {cores:5} {:13.0} {:8.2}x {:11.0} {:5.0} %  {busiest:30} {}",
                curve.shape.name(),
                prediction.rate(),
                prediction.rate() / curve.first_rate(),
                prediction.cpu / prediction.items as f64,
                100.0 * part,
                limit(*cores, prediction),
            );
        }
    }
    text
}

/// The rate of the next design divided by that of the one that is built.
pub fn designs(built: &[Curve], next: &[Curve]) -> String {
    let mut text = format!(
        "{:15} {:>5} {:>13} {:>13} {:>7}  {}\n",
        "shape", "cores", "built", "next", "gain", "limit of the next"
    );
    for (built, next) in built.iter().zip(next) {
        for ((cores, before), (_, after)) in built.points.iter().zip(&next.points) {
            _ = writeln!(
                text,
                "{:15} {cores:5} {:11.0}/s {:11.0}/s {:6.2}x  {}",
                built.shape.name(),
                before.rate(),
                after.rate(),
                after.rate() / before.rate(),
                limit(*cores, after),
            );
        }
    }
    text
}

/// The name of a design in tables.
pub fn name(design: Design) -> &'static str {
    match design {
        Design::OneDriver => "one driver",
        Design::DriverPerWorker => "a driver for each worker",
    }
}

/// Puts a table into a document: between the two marks with this name. Returns `None` if it has no such
/// marks.
pub fn put_into(document: &str, mark: &str, table: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- end of {mark} -->"));
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}```text\n{}\n```\n{end}{after}", table.trim_end()))
}
