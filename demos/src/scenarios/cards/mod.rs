//! `brigade cards`: a quiz on concurrency and on the insides of Brigade. Its cards are in `deck/`.

mod deck;
mod quiz;
mod schedule;
mod screen;
mod store;

use crate::{
    options::is_given,
    scenario::{CommandError, Exit, Scenario},
    show::{Output, Style},
};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;
use std::io::{self, IsTerminal};

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "cards",
    about: "Flashcards: a quiz whose answers name their proof",
    idea: "You keep what you recall, so answer before you look. A card that you knew comes back later each time; a card that \
           you did not know comes back at once. Every answer names the file of ours that makes it true, and the scenario \
           that shows it.",
    made_by: &[
        "demos/src/scenarios/cards/schedule.rs::begin",
        "demos/src/scenarios/cards/store.rs::save",
        "demos/src/scenarios/cards/quiz.rs::run",
    ],
    examples: &["cards --print"],
    // The scenarios that the quiz shows take it.
    takes_speed: true,
    takes_workers: false,
    arguments,
    show,
};

fn arguments(command: Command) -> Command {
    let print = Arg::new("print").long("print").action(ArgAction::SetTrue);
    command.arg(print.help("List all cards with their answers, and ask nothing"))
}

fn show(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    if output.is_json() || matches.get_flag("print") {
        if is_given(matches, "speed") {
            return Err(CommandError::usage(
                "--speed is for the quiz: leave it out beside --print and --json",
            ));
        }
        return Ok(print(output));
    }
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(CommandError::usage(
            "the quiz needs a terminal; `brigade cards --print` lists the cards without one",
        ));
    }
    quiz::run(output)
}

/// Prints all cards with their answers.
fn print(output: &Output) -> Exit {
    for (number, card) in deck::all().enumerate() {
        let deck::Card { id, question, answer, proof, scenario } = card;
        output.record(&json!({ "scenario": "cards", "card": id, "question": question, "answer": answer,
            "proof": proof, "shown_by": scenario.map(|scenario| scenario.name) }));
        if number > 0 {
            output.line("");
        }
        output.labelled(Style::Strong, &format!("{:>2}. ", number + 1), question);
        output.labelled(Style::Plain, "    ", answer);
        let shown = scenario.map_or(String::new(), |scenario| format!(" · brigade {}", scenario.name));
        output.line(output.paint(Style::Faint, format!("    {proof}{shown}")));
    }
    Exit::SUCCESS
}
