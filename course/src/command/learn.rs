//! The commands to learn with: questions to answer before one runs them, and incidents.

use super::Outcome;
use brigade_course_kit::{Case, Lab};
use brigade_explore::{Explore, Verdict, bugs};
use console::{Term, style};
use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
};

/// Asks the questions of a lab, and runs each.
pub(super) fn predict(lab: &Lab, seed: u64) -> Outcome {
    let mut answers = io::stdin().lock().lines();
    for (number, question) in (1..).zip(lab.questions) {
        println!(
            "{}  (seed {seed})\n{}",
            style(format!("Question {number}")).bold(),
            (question.ask)(&mut Case::new(seed))
        );
        print!("> ");
        io::stdout().flush()?;
        let Some(answer) = answers.next().transpose()? else {
            println!();
            break;
        };
        let is = (question.run)(&mut Case::new(seed));
        match answer.trim().parse::<u64>() {
            Ok(guess) if guess == is => println!("{} {is}. {}\n", style("Yes:").green(), question.why),
            _ => println!("{} {is}. {}\n", style("It is").red(), question.why),
        }
    }
    println!("Other numbers: cargo run -p brigade-course -- predict {}", lab.number);
    Ok(ExitCode::SUCCESS)
}

/// Tells the incident of a lab, shows its shortest interleaving, and checks the right program.
pub(super) fn incident(lab: &Lab) -> Outcome {
    let named = bugs::ALL.iter().find(|bug| bug.name == lab.incident.bug);
    let bug = named.ok_or_else(|| format!("{} is no program of brigade_explore", lab.incident.bug))?;
    println!("{}\n\n{}\n", style(bug.name).bold(), lab.incident.story);
    let Verdict::Failed(failed) = bug.bad.explore(Explore::new()) else {
        return Err(format!("no schedule shows {}", bug.name).into());
    };
    let schedule = failed.schedule.to_string();
    println!("{}: {}", failed.failure.class, failed.failure.message);
    println!("schedule: {}\n", if schedule.is_empty() { "the usual one" } else { &schedule });
    println!("{}", failed.lanes(usize::from(Term::stdout().size().1)));
    println!("{}\n", bug.why);
    if let Verdict::Passed(coverage) = bug.right.explore(Explore::new()) {
        println!("The right program passes under {} schedules.", coverage.schedules);
    }
    println!("Both are in explore/src/bugs/{}.rs.", bug.name.replace('-', "_"));
    Ok(ExitCode::SUCCESS)
}
