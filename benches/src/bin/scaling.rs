//! `scaling`: predicts the runtime and the pool on 1 to 128 cores, and compares the predictions for one and
//! two cores with this machine.
//!
//! ```text
//! cargo run --release -p brigade-benches --bin scaling              # measures the costs, predicts
//! cargo run --release -p brigade-benches --bin scaling -- validate  # and compares with this machine
//! cargo run --release -p brigade-benches --bin scaling -- --quick   # a few seconds, with recorded costs
//! ```
//!
//! `docs/scaling.md` explains the model and what it leaves out.

use brigade_benches::scaling::{
    Design,
    calibrate::calibrate,
    costs::Costs,
    report::{self, Curve},
    shape::Shape,
    simulate::simulate,
    validate::validate,
};
use clap::{CommandFactory, Parser, ValueEnum, error::ErrorKind};
use std::{fs, io, process::ExitCode};

/// The document that `--write-docs` puts the tables into.
const DOCUMENT: &str = "docs/scaling.md";
/// The numbers of cores of `--quick`.
const QUICK_CORES: [usize; 4] = [1, 2, 4, 8];
/// The most cores: lines count their holders in 128 bits.
const MOST_CORES: usize = 128;

/// Predicts how Brigade scales to more cores than this machine has.
#[derive(Parser)]
#[command(name = "scaling")]
struct Options {
    /// The tables to show.
    #[arg(value_enum, default_value_t = Part::Predict)]
    part: Part,
    /// Only these shapes.
    #[arg(long, value_name = "SHAPE", value_delimiter = ',')]
    shapes: Vec<String>,
    /// The numbers of cores, 1 to 128.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 2, 4, 8, 16, 32, 64, 128])]
    cores: Vec<usize>,
    /// Take recorded costs instead of measuring this machine.
    #[arg(long)]
    recorded: bool,
    /// A few seconds: recorded costs, up to eight cores.
    #[arg(long)]
    quick: bool,
    /// The seed of the model's random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Compare the medians of this many runs.
    #[arg(long, value_name = "N", default_value_t = 41)]
    runs: usize,
    /// Put the tables into docs/scaling.md.
    #[arg(long)]
    write_docs: bool,
}

/// The tables.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The costs, the curves, and what the next design gains.
    Predict,
    /// The costs, and predictions beside measurements on one core and two.
    Validate,
    /// Everything.
    All,
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.quick {
        options.recorded = true;
        options.cores = QUICK_CORES.to_vec();
    }
    if options.part != Part::Predict && options.recorded {
        refuse("recorded costs are of another machine: validate measures this one");
    }
    if !options.cores.iter().all(|cores| (1..=MOST_CORES).contains(cores)) {
        refuse("a number of cores is 1 to 128");
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scaling: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the usage, and ends the program with exit code 2.
fn refuse(why: &str) -> ! {
    Options::command().error(ErrorKind::InvalidValue, why).exit()
}

fn chosen(names: &[String]) -> Vec<Shape> {
    let unknown = names.iter().find(|name| Shape::ALL.iter().all(|shape| shape.name() != **name));
    if let Some(unknown) = unknown {
        let known: Vec<_> = Shape::ALL.iter().map(|shape| shape.name()).collect();
        refuse(&format!("no shape is called {unknown}; there are {}", known.join(", ")));
    }
    let is_chosen = |shape: &Shape| names.is_empty() || names.iter().any(|name| name == shape.name());
    Shape::ALL.into_iter().filter(is_chosen).collect()
}

fn run(options: &Options) -> io::Result<()> {
    let shapes = chosen(&options.shapes);
    let mut costs = if options.recorded { Costs::REFERENCE } else { calibrate()? };
    // Before the costs are shown: the comparison measures some of them again.
    let comparisons = match options.part {
        Part::Predict => None,
        Part::Validate | Part::All => Some(validate(&shapes, &mut costs, options.runs, options.seed)?),
    };
    println!("{}", report::costs(&costs));
    if let Some(comparisons) = comparisons {
        show(options, "validation", &report::validation(&comparisons))?;
    }
    if options.part != Part::Validate {
        let built = curves(options, &shapes, &costs, Design::OneDriver);
        show(options, "curves", &report::curves(&built))?;
        let of_runtime: Vec<_> = shapes.into_iter().filter(|shape| shape.is_of_runtime()).collect();
        let next = curves(options, &of_runtime, &costs, Design::DriverPerWorker);
        let built: Vec<_> = built.into_iter().filter(|curve| curve.shape.is_of_runtime()).collect();
        show(options, "designs", &report::designs(&built, &next))?;
    }
    Ok(())
}

fn curves(options: &Options, shapes: &[Shape], costs: &Costs, design: Design) -> Vec<Curve> {
    let point = |shape, cores| (cores, simulate(shape, cores, costs, design, options.seed));
    let curve =
        |&shape| Curve { shape, points: options.cores.iter().map(|&cores| point(shape, cores)).collect() };
    shapes.iter().map(curve).collect()
}

/// Prints a table, and puts it into the document if that is asked for.
fn show(options: &Options, mark: &str, table: &str) -> io::Result<()> {
    println!("{table}");
    if options.write_docs {
        let document = fs::read_to_string(DOCUMENT).map_err(|error| {
            io::Error::other(format!("{DOCUMENT} cannot be read: {error}; run this in the workspace"))
        })?;
        let with_table = report::put_into(&document, mark, table)
            .ok_or_else(|| io::Error::other(format!("{DOCUMENT} has no place for {mark}")))?;
        fs::write(DOCUMENT, with_table)?;
    }
    Ok(())
}
