//! `brigade cards`: a quiz on concurrency, or on the insides of Brigade. Its cards are in `deck/`.

mod deck;
mod quiz;
mod schedule;
mod store;

use crate::{
    options::is_given,
    scenario::{CommandError, Exit, Scenario},
    show::{Output, Style},
};
use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser};
use deck::Deck;
use serde_json::json;
use std::io::{self, IsTerminal};

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "cards",
    about: "Flashcards: a quiz whose answers name their proof",
    idea: "You keep what you recall, so answer before you look. A card that you knew comes back later each time; a card that \
           you did not know comes back at once. The deck `basics` asks about concurrency in Python, `internals` about the \
           insides of Brigade. Every answer names the file that proves it, and the scenario that shows it.",
    made_by: &[
        "demos/src/scenarios/cards/schedule.rs::begin",
        "demos/src/scenarios/cards/store.rs::save",
        "demos/src/scenarios/cards/quiz.rs::run",
    ],
    examples: &["cards --print", "cards internals --print"],
    // The scenarios that the quiz shows take it.
    takes_speed: true,
    takes_workers: false,
    arguments,
    show,
};

/// The word for both decks.
const ALL_DECKS: &str = "all";

fn arguments(command: Command) -> Command {
    let names = Deck::ALL.map(Deck::name).into_iter().chain([ALL_DECKS]);
    let deck = Arg::new("deck").value_name("DECK").value_parser(PossibleValuesParser::new(names));
    let deck = deck.default_value(Deck::Basics.name()).hide_possible_values(true).hide_default_value(true);
    let deck = deck.help("basics (concurrency in Python; if you name none), internals, or all");
    let print = Arg::new("print").long("print").action(ArgAction::SetTrue);
    command.args([deck, print.help("List the cards with their answers, and ask nothing")])
}

fn show(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    let name = matches.get_one::<String>("deck").expect("the deck has a default");
    let decks: Vec<_> =
        Deck::ALL.into_iter().filter(|deck| name == ALL_DECKS || name == deck.name()).collect();
    if output.is_json() || matches.get_flag("print") {
        if is_given(matches, "speed") {
            return Err(CommandError::usage(
                "--speed is for the quiz: leave it out beside --print and --json",
            ));
        }
        return Ok(print(output, &decks));
    }
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(CommandError::usage(
            "the quiz needs a terminal; `brigade cards --print` lists the cards without one",
        ));
    }
    quiz::run(output, decks.into_iter().flat_map(Deck::cards).collect())
}

/// Prints the cards of these decks with their answers.
fn print(output: &Output, decks: &[Deck]) -> Exit {
    let cards = decks.iter().flat_map(|deck| deck.cards().map(|card| (deck.name(), card)));
    for (number, (deck, card)) in cards.enumerate() {
        let deck::Card { id, question, answer, proof, scenario } = card;
        output.record(
            "card",
            &json!({ "deck": deck, "card": id, "question": question, "answer": answer,
            "proof": proof, "shown_by": scenario.map(|scenario| scenario.name) }),
        );
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
