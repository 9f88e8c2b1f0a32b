//! `compare`: runs Brigade and the peer by turns, A B A B …, and holds the ratios against the goals.
//!
//! ```text
//! cargo run --release -p brigade-benches --bin compare -- pool fib30_join --json
//! ```
//!
//! A missed goal is shown as missed, and is no failure of the program: it exits with 0 unless its usage is
//! wrong.

use brigade_benches::{
    bench::Bench,
    group::Group,
    report::{
        results,
        table::{self, Table},
    },
    run::{self, Outcome},
};
use clap::{CommandFactory, Parser, error::ErrorKind};

/// Measures Brigade against its peers, by turns in one run.
#[derive(Parser)]
#[command(name = "compare")]
struct Options {
    /// A group (pool, runtime, process, demos, trace, explore; all if none is named), then benches of it: a
    /// name, or how a name begins.
    #[arg(value_name = "GROUP|NAME")]
    names: Vec<String>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Count this many pairs of runs.
    #[arg(long, value_name = "N", default_value_t = run::DEFAULT_PAIRS, value_parser = enough_for_a_median)]
    pairs: usize,
    /// List the benches, their peers and goals, and measure nothing.
    #[arg(long)]
    list: bool,
    /// Run each peer against a copy of itself: how far does chance move the ratios?
    #[arg(long)]
    peer_twice: bool,
    /// Put the outcome of whole groups into benches/RESULTS.md.
    #[arg(long)]
    write_results: bool,
}

/// Parses a number of pairs. The median of fewer than three would be any disturbed pair.
fn enough_for_a_median(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0..=2) | Err(_) => {
            Err("a number of pairs is 3 or more: the median of fewer says nothing".to_owned())
        }
        Ok(pairs) => Ok(pairs),
    }
}

fn main() {
    // As a worker of the process pool this does not return.
    brigade_process::init();
    if brigade_benches::roles::play() {
        return;
    }
    let options = Options::parse();
    let (groups, names): (Vec<_>, Vec<_>) =
        options.names.iter().partition(|name| Group::named(name).is_some());
    let mut groups: Vec<_> = groups.into_iter().filter_map(|name| Group::named(name)).collect();
    if groups.is_empty() {
        groups = Group::ALL.to_vec();
    }
    if options.write_results && !names.is_empty() {
        refuse("--write-results takes whole groups: name no bench");
    }
    if options.write_results && options.peer_twice {
        refuse("--write-results takes results of Brigade: leave out --peer-twice");
    }
    let all: Vec<_> = groups.into_iter().map(|group| (group, group.benches())).collect();
    for name in &names {
        if !all.iter().flat_map(|(_, benches)| benches).any(|bench| is_named(bench, name)) {
            refuse(&format!("no bench is called {name}, or begins so; --list names them all"));
        }
    }
    for (place, (group, benches)) in all.iter().enumerate() {
        let chosen = |bench: &&Bench| names.is_empty() || names.iter().any(|name| is_named(bench, name));
        let benches: Vec<_> = benches.iter().filter(chosen).collect();
        if benches.is_empty() {
            continue;
        }
        if place > 0 && !options.json {
            println!();
        }
        if options.list { list(*group, &benches) } else { measure(*group, &benches, &options) }
    }
}

/// Says what is wrong with the usage, and ends the program with exit code 2.
fn refuse(why: &str) -> ! {
    Options::command().error(ErrorKind::InvalidValue, why).exit()
}

fn is_named(bench: &Bench, name: &str) -> bool {
    bench.rows.iter().any(|row| row.name.starts_with(name))
}

fn list(group: Group, benches: &[&Bench]) {
    for bench in benches {
        for row in &bench.rows {
            let goal = row.goal.map_or_else(String::new, |goal| format!("≤ {}", table::ratio(goal)));
            println!("{:8} {:26} {:12} {goal}", group.name(), row.name, bench.peer);
        }
    }
}

fn measure(group: Group, benches: &[&Bench], options: &Options) {
    let table = Table::new(benches);
    let print = |outcome: &Outcome| {
        println!("{}", if options.json { table::json(group.name(), outcome) } else { table.row(outcome) });
    };
    if !options.json {
        let ours = if options.peer_twice { ", the peer against itself" } else { "" };
        println!("{}: {} pairs of runs{ours}\n{}", group.name(), options.pairs, table.head());
    }
    let mut ran = Vec::new();
    let mut skipped = Vec::new();
    for bench in benches {
        let run = if options.peer_twice { run::run_peer_twice } else { run::run };
        match run(bench, options.pairs) {
            Ok(outcomes) => {
                outcomes.iter().for_each(print);
                ran.push((*bench, outcomes));
            }
            Err(why) => {
                // For a program, standard output holds nothing but objects.
                if options.json {
                    eprintln!("{}", table.skipped(bench, &why))
                } else {
                    println!("{}", table.skipped(bench, &why))
                }
                skipped.push(format!("{} against {}: skipped, {why}.", bench.name(), bench.peer));
            }
        }
    }
    let means = run::means(&ran);
    means.iter().for_each(print);
    let outcomes: Vec<_> = ran.into_iter().flat_map(|(_, outcomes)| outcomes).chain(means).collect();
    if !options.json {
        println!("{}", summary(&outcomes));
    }
    if options.write_results {
        match results::write(group, &outcomes, &skipped, options.pairs) {
            Ok(()) => eprintln!("benches/RESULTS.md has the new section {}", group.name()),
            Err(error) => eprintln!("benches/RESULTS.md could not be written: {error}"),
        }
    }
}

fn summary(outcomes: &[Outcome]) -> String {
    let goals = outcomes.iter().filter(|outcome| outcome.met().is_some()).count();
    let met = outcomes.iter().filter(|outcome| outcome.met() == Some(true)).count();
    format!("{met} of {goals} goals met")
}
