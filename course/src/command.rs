//! The commands: list, start, check, watch, replay, grade. Those to learn with are in `learn.rs`.

mod learn;

use brigade_course::{Format, Grade, Look, Package, Show, grade, root, write};
use brigade_course_kit::{Finding, LABS, Lab, Verdict, find};
use clap::{Parser, Subcommand, ValueEnum};
use console::{Term, style};
use std::{
    env,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

type Outcome = Result<ExitCode, Box<dyn Error>>;

/// Build your own executor: labs that grade themselves under every interleaving.
#[derive(Debug, Parser)]
#[command(name = "brigade-course")]
pub(crate) struct Line {
    #[command(subcommand)]
    verb: Verb,
    /// The folder of your labs
    #[arg(long, global = true, env = "BRIGADE_LABS", value_name = "DIR")]
    labs: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the labs, what is done, and what is next
    List,
    /// Copy the skeleton of a lab to my-labs
    Start {
        /// The number of the lab
        lab: u8,
    },
    /// Build your code of a lab, and grade it
    Check {
        /// The number of the lab
        lab: u8,
        #[command(flatten)]
        shown: Shown,
    },
    /// Check a lab again each time that a file of it is saved
    Watch {
        /// The number of the lab
        lab: u8,
        #[command(flatten)]
        shown: Shown,
    },
    /// Run a failing interleaving again
    Replay {
        /// The number of the lab
        lab: u8,
        /// The name of the test
        test: String,
        /// The choices that differ from the usual ones, such as root.preempt.1=1
        choices: Vec<String>,
        /// The seed of the case
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Write the run as a timeline: a file that ends with .html, .svg, .txt, .pftrace or .brigade
        #[arg(long, value_name = "FILE")]
        timeline: Option<PathBuf>,
    },
    /// Answer questions before you run them
    Predict {
        /// The number of the lab
        lab: u8,
        /// The seed of the numbers, in place of a fresh one
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Replay a mistake that others have made
    Incident {
        /// The number of the lab
        lab: u8,
    },
    /// Grade a student's folder, for a teacher or a program
    Grade {
        /// The folder: a package, or the `src` of one
        folder: PathBuf,
        /// The number of the lab, if the name of the folder does not begin with it
        #[arg(long)]
        lab: Option<u8>,
        /// The form of the result
        #[arg(long, value_enum, default_value = "json")]
        format: Form,
        /// A file with more seeds, one a line, that students do not know
        #[arg(long, value_name = "FILE")]
        seed_file: Option<PathBuf>,
    },
}

/// How much of a grade is shown.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Shown {
    /// The level of the hint
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
    hint: u8,
    /// Show every lost test in full, not the first one alone
    #[arg(long)]
    all: bool,
    /// The seed of the second case, in place of a fresh one
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Gradescope,
    Exercism,
    Json,
    Junit,
}

impl From<Form> for Format {
    fn from(form: Form) -> Self {
        match form {
            Form::Gradescope => Self::Gradescope,
            Form::Exercism => Self::Exercism,
            Form::Json => Self::Json,
            Form::Junit => Self::Junit,
        }
    }
}

pub(crate) fn run(line: Line) -> Outcome {
    let labs = line.labs.unwrap_or_else(|| root().join("my-labs"));
    match line.verb {
        Verb::List => list(&labs),
        Verb::Start { lab } => start(&labs, named(lab)?),
        Verb::Check { lab, shown } => check(&labs, named(lab)?, shown),
        Verb::Watch { lab, shown } => watch(&labs, named(lab)?, shown),
        Verb::Replay { lab, test, choices, seed, timeline } => {
            replay(&labs, named(lab)?, &test, &choices.join(" "), seed, timeline.as_deref())
        }
        Verb::Predict { lab, seed } => learn::predict(named(lab)?, seed.unwrap_or_else(fresh_seed)),
        Verb::Incident { lab } => learn::incident(named(lab)?),
        Verb::Grade { folder, lab, format, seed_file } => {
            grade_folder(&folder, lab, format.into(), seed_file.as_deref())
        }
    }
}

fn named(number: u8) -> Result<&'static Lab, String> {
    let names: Vec<_> = LABS.iter().map(|lab| lab.number.to_string()).collect();
    find(number).ok_or_else(|| format!("there is no lab {number}: name one of {}", names.join(", ")))
}

fn package(labs: &Path, lab: &Lab) -> Result<Package, String> {
    let folder = labs.join(lab.folder());
    if folder.join("src/lib.rs").exists() {
        return Ok(Package::new(folder, lab));
    }
    let number = lab.number;
    Err(format!("lab {number} is not started: `cargo run -p brigade-course -- start {number}` does that"))
}

/// The file in a lab's folder that holds the points of the last check.
const POINTS: &str = ".points";

fn list(labs: &Path) -> Outcome {
    let mut next = None;
    for lab in LABS {
        let folder = labs.join(lab.folder());
        let points =
            fs::read_to_string(folder.join(POINTS)).ok().and_then(|text| text.trim().parse::<u32>().ok());
        let state = match points {
            Some(100) => style("done".to_owned()).green(),
            Some(points) => style(format!("{points} of 100")),
            None if folder.exists() => style("started".to_owned()),
            None => style(String::new()),
        };
        if points != Some(100) && next.is_none() {
            next = Some(lab);
        }
        println!("{:>3}  {:<36} {state}", lab.number, lab.title);
    }
    match next {
        Some(lab) if labs.join(lab.folder()).exists() => println!("\nnext: check {}", lab.number),
        Some(lab) => println!("\nnext: start {}", lab.number),
        None => println!("\nall done"),
    }
    Ok(ExitCode::SUCCESS)
}

fn start(labs: &Path, lab: &Lab) -> Outcome {
    let folder = labs.join(lab.folder());
    if folder.exists() {
        return Err(
            format!("{} is there already. To begin again, move it away first", folder.display()).into()
        );
    }
    let name = lab.folder();
    Package::new(folder.clone(), lab).write(&root().join("course/labs").join(&name))?;
    println!("your code    {}", folder.join("src/lib.rs").display());
    println!("the chapter  {}", root().join(format!("course/book/src/labs/{name}.md")).display());
    println!("to grade it  cargo run -p brigade-course -- check {}", lab.number);
    Ok(ExitCode::SUCCESS)
}

/// The seed of the case that is the same for everybody.
const FIXED_SEED: u64 = 0;
/// Fresh seeds are below this, so that they are short to type.
const FRESH_SEEDS: u64 = 10_000;

fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    1 + u64::from(now.subsec_nanos()) % (FRESH_SEEDS - 1)
}

fn check(labs: &Path, lab: &'static Lab, shown: Shown) -> Outcome {
    let package = package(labs, lab)?;
    let look = if Term::stderr().is_term() { Look::Terminal } else { Look::Plain };
    let submission = match package.build(look)? {
        Ok(submission) => submission,
        Err(messages) => {
            eprint!("{messages}");
            return Err("the code does not compile, so nothing was graded".into());
        }
    };
    let grade = grade(lab, &submission, &[FIXED_SEED, shown.seed.unwrap_or_else(fresh_seed)])?;
    let details = if shown.all { usize::MAX } else { 1 };
    let columns = usize::from(Term::stdout().size().1);
    print!("{}", Show { grade: &grade, hint: usize::from(shown.hint), details, columns });
    fs::write(package.folder().join(POINTS), grade.points().to_string())?;
    if grade.points() == 100 {
        println!("\n{}", style("All tests pass.").green());
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);

fn watch(labs: &Path, lab: &'static Lab, shown: Shown) -> Outcome {
    let sources = package(labs, lab)?.folder().join("src");
    let mut seen = None;
    loop {
        let now = newest(&sources)?;
        if seen != Some(now) {
            seen = Some(now);
            Term::stdout().clear_screen()?;
            if let Err(wrong) = check(labs, lab, shown) {
                eprintln!("{wrong}");
            }
            println!("\nwatching {} (Ctrl-C ends)", sources.display());
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

/// The time at which a file of a folder was last written.
fn newest(folder: &Path) -> io::Result<SystemTime> {
    let mut last = UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let time = if metadata.is_dir() { newest(&entry.path())? } else { metadata.modified()? };
        last = last.max(time);
    }
    Ok(last)
}

fn replay(
    labs: &Path,
    lab: &'static Lab,
    test: &str,
    choices: &str,
    seed: u64,
    timeline: Option<&Path>,
) -> Outcome {
    let Some(test) = lab.test(test) else {
        let names: Vec<_> = lab.tests.iter().map(|test| test.name).collect();
        return Err(
            format!("lab {} has no test {test:?}: name one of {}", lab.number, names.join(", ")).into()
        );
    };
    let submission = package(labs, lab)?.build(Look::Plain)??;
    let (seed, columns) = (seed.to_string(), Term::stdout().size().1.to_string());
    let mut arguments = vec![test.name, "--seed", &seed, "--schedule", choices, "--columns", &columns];
    let path = timeline.map(|path| env::current_dir().map(|here| here.join(path))).transpose()?;
    let path = path.map(|path| path.display().to_string());
    if let Some(path) = &path {
        arguments.extend(["--timeline", path]);
    }
    match submission.call(&arguments)? {
        Verdict::Passed { .. } => {
            println!("{} passes under this schedule", test.name);
            Ok(ExitCode::SUCCESS)
        }
        Verdict::Failed(finding) => {
            println!("expected  {}\nhappened  {}\n\n{}", finding.expected, finding.happened, finding.lanes);
            if let Some(path) = path {
                println!("timeline  {path}");
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Grades a folder. The manifest and the `main` are ours, so that only the student's sources count.
fn grade_folder(folder: &Path, number: Option<u8>, format: Format, seed_file: Option<&Path>) -> Outcome {
    let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
    let sources = if folder.join("src/lib.rs").exists() { folder.join("src") } else { folder.clone() };
    if !sources.join("lib.rs").exists() {
        return Err(format!("{} has neither src/lib.rs nor lib.rs", folder.display()).into());
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let by_name = name.split_once('-').and_then(|(number, _)| number.parse().ok());
    let number = number.or(by_name).ok_or("name the lab: --lab N")?;
    let lab = named(number)?;
    let seeds = seeds(seed_file)?;
    // Two graders of one lab would overwrite each other's copy.
    let copies = root().join("target/grading");
    fs::create_dir_all(&copies)?;
    let lock = fs::File::create(copies.join(format!("{}.lock", lab.folder())))?;
    lock.lock()?;
    let copy = copies.join(lab.folder());
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    let package = Package::new(copy, lab);
    package.write(&sources)?;
    let grade = match package.build(Look::Plain)? {
        Ok(submission) => grade(lab, &submission, &seeds)?,
        Err(messages) => Grade::nothing(lab, &Finding::new("compile", "the code compiles", &messages)),
    };
    print!("{}", write(&grade, format));
    Ok(ExitCode::SUCCESS)
}

/// The fixed seed, and those of a file.
fn seeds(file: Option<&Path>) -> Result<Vec<u64>, String> {
    let mut seeds = vec![FIXED_SEED];
    let Some(path) = file else { return Ok(seeds) };
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    for word in text.split_whitespace() {
        let seed = word.parse().map_err(|_| format!("{}: {word:?} is no number", path.display()))?;
        seeds.push(seed);
    }
    Ok(seeds)
}
