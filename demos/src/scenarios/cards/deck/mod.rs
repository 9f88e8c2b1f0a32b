//! The decks: every card, with the file that proves its answer.

mod processes;
mod tasks;
mod threads;
mod waiting;
mod working;

use crate::scenario::Scenario;

/// A question and its answer.
#[derive(Debug)]
pub(super) struct Card {
    /// The name in the store, which never changes, even when the words do.
    pub(super) id: &'static str,
    pub(super) question: &'static str,
    pub(super) answer: &'static str,
    /// The file of ours that proves the answer.
    pub(super) proof: &'static str,
    /// The scenario that shows the answer, if there is one.
    pub(super) scenario: Option<&'static Scenario>,
}

/// A card whose answer a scenario shows.
const fn shown(
    id: &'static str,
    question: &'static str,
    answer: &'static str,
    proof: &'static str,
    scenario: &'static Scenario,
) -> Card {
    Card { id, question, answer, proof, scenario: Some(scenario) }
}

/// A card that no scenario shows.
const fn read(id: &'static str, question: &'static str, answer: &'static str, proof: &'static str) -> Card {
    Card { id, question, answer, proof, scenario: None }
}

/// A set of cards for one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deck {
    /// The subjects of the document: concurrency, and how Python does it.
    Basics,
    /// How Brigade works inside.
    Internals,
}

impl Deck {
    /// Both decks, the easier one first.
    pub(super) const ALL: [Self; 2] = [Self::Basics, Self::Internals];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Basics => "basics",
            Self::Internals => "internals",
        }
    }

    /// The cards in the order in which the quiz asks them.
    pub(super) fn cards(self) -> impl Iterator<Item = &'static Card> {
        let parts = match self {
            Self::Basics => [waiting::CARDS, working::CARDS, &[]],
            Self::Internals => [tasks::CARDS, threads::CARDS, processes::CARDS],
        };
        parts.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, path::Path};

    #[test]
    fn every_card_has_a_name_of_its_own_and_a_proof_that_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut ids = HashSet::new();
        for card in Deck::ALL.into_iter().flat_map(Deck::cards) {
            assert!(ids.insert(card.id), "{} is there twice", card.id);
            assert!(card.question.ends_with('?') && card.answer.ends_with('.'), "{}", card.id);
            assert!(root.join(card.proof).is_file(), "{}: {} is not there", card.id, card.proof);
        }
        assert!(Deck::Basics.cards().count() >= 25 && Deck::Internals.cards().count() >= 43, "{}", ids.len());
    }
}
