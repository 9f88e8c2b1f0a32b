//! When a card comes again: Leitner's boxes, with due dates counted in sessions.
//!
//! A card that the user knew goes one box up; a card that the user did not know goes back to box 0. A card in
//! box *n* > 0 rests for 2ⁿ⁻¹ sessions; a card in box 0 comes again in the same session. After Sebastian
//! Leitner, *So lernt man lernen* (1972). A session counts from its first answer, so that a user who only
//! looks in changes nothing.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// The highest box, whose cards rest for 16 sessions.
pub(super) const BOX_MAX: u8 = 5;

/// How many cards are new in one session at most.
const NEW_CARDS_MAX: usize = 10;

/// Whether the user knew a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    Again,
    Good,
}

/// The box of a card, and when the card is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CardState {
    /// The box, from 0 to [`BOX_MAX`].
    #[serde(rename = "box")]
    pub(super) level: u8,
    /// The number of the session in which it comes again.
    pub(super) due: u64,
}

impl CardState {
    // --code from here
    fn after(old: Option<Self>, grade: Grade, session: u64) -> Self {
        match grade {
            Grade::Again => Self { level: 0, due: session },
            Grade::Good => {
                let old = old.map_or(0, |state| state.level);
                let level = old.min(BOX_MAX - 1) + 1;
                Self { level, due: session.saturating_add(1 << (level - 1)) }
            }
        }
    }
    // --code to here
}

/// The state of all cards, including cards that the deck no longer has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StudyProgress {
    /// How many sessions there have been.
    pub(super) sessions: u64,
    pub(super) cards: BTreeMap<String, CardState>,
}

/// One session: the cards that are still to be asked, front first.
#[derive(Debug)]
pub(super) struct QuizSession {
    pub(super) number: u64,
    pub(super) queue: VecDeque<&'static str>,
    pub(super) progress: StudyProgress,
}

impl QuizSession {
    /// Begins the next session: first the cards that are due, the longest overdue first, then some new cards.
    /// If there are neither, it begins the session in which the next card is due.
    pub(super) fn begin(progress: StudyProgress, deck: &[&'static str]) -> Self {
        let place = |id: &str| progress.cards.get(id).copied();
        let new: Vec<_> = deck.iter().copied().filter(|id| place(id).is_none()).take(NEW_CARDS_MAX).collect();
        let mut met: Vec<_> = deck.iter().filter_map(|&id| Some((place(id)?.due, id))).collect();
        // The sort is stable, so cards that are due together keep the order of the deck.
        met.sort_by_key(|&(due, _)| due);
        let mut number = progress.sessions.saturating_add(1);
        if let (true, Some(&(first, _))) = (new.is_empty(), met.first()) {
            number = number.max(first);
        }
        let queue = met.into_iter().filter(|&(due, _)| due <= number).map(|(_, id)| id).chain(new).collect();
        Self { number, queue, progress }
    }

    /// Grades the card in front. A card that the user did not know goes to the back.
    pub(super) fn grade(&mut self, grade: Grade) {
        let Some(id) = self.queue.pop_front() else { return };
        let old = self.progress.cards.get(id).copied();
        self.progress.sessions = self.number;
        self.progress.cards.insert(id.into(), CardState::after(old, grade, self.number));
        if grade == Grade::Again {
            self.queue.push_back(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_rises_by_boxes_and_falls_to_the_bottom() {
        let mut place = None;
        let mut rests = Vec::new();
        for _ in 0..6 {
            let next = CardState::after(place, Grade::Good, 10);
            rests.push((next.level, next.due - 10));
            place = Some(next);
        }
        assert_eq!(rests, [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (5, 16)]);
        assert_eq!(CardState::after(place, Grade::Again, 11), CardState { level: 0, due: 11 });
    }

    #[test]
    fn a_card_that_was_not_known_comes_again_in_the_same_session() {
        let mut session = QuizSession::begin(StudyProgress::default(), &["a", "b"]);
        session.grade(Grade::Again);
        assert_eq!(session.queue, ["b", "a"]);
        session.grade(Grade::Good);
        session.grade(Grade::Good);
        assert!(session.queue.is_empty());
        assert_eq!(session.progress.cards["a"], CardState { level: 1, due: 2 });
        session.grade(Grade::Good);
        assert_eq!(session.progress.sessions, 1);
    }

    #[test]
    fn due_cards_come_before_new_ones() {
        let cards = [("b", 2), ("c", 9), ("d", 1)].map(|(id, due)| (id.into(), CardState { level: 1, due }));
        let progress = StudyProgress { sessions: 1, cards: cards.into() };
        assert_eq!(QuizSession::begin(progress, &["a", "b", "c", "d"]).queue, ["d", "b", "a"]);
    }

    #[test]
    fn when_nothing_is_due_the_sessions_go_on_to_the_next_card() {
        let cards =
            [("a".into(), CardState { level: 4, due: 9 }), ("b".into(), CardState { level: 5, due: 17 })];
        let session = QuizSession::begin(StudyProgress { sessions: 1, cards: cards.into() }, &["a", "b"]);
        assert_eq!((session.number, session.queue.into_iter().collect::<Vec<_>>()), (9, vec!["a"]));
    }

    #[test]
    fn a_session_has_a_bounded_number_of_new_cards() {
        let deck: Vec<&'static str> =
            super::super::deck::Deck::Internals.cards().map(|card| card.id).collect();
        assert_eq!(QuizSession::begin(StudyProgress::default(), &deck).queue.len(), NEW_CARDS_MAX);
    }
}
