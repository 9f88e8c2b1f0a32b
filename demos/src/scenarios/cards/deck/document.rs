//! The three flashcards of the document, in our words.

use super::{Card, shown};
use crate::scenarios::{cpu, io, kitchen};

pub(super) static CARDS: &[Card] = &[
    shown(
        "concurrency-parallelism",
        "What is the difference between concurrency and parallelism?",
        "Concurrency is having several things under way at once, by switching between them: one cook, many \
         pots. Parallelism is doing several things at the same instant, which takes several cores: many \
         cooks.",
        "demos/src/scenarios/kitchen.rs",
        &kitchen::SCENARIO,
    ),
    shown(
        "gil-cpu-bound",
        "How does one get around Python's GIL in CPU-bound work?",
        "With processes (multiprocessing). Each process has an interpreter and a lock of its own, so they \
         compute at the same time.",
        "demos/src/scenarios/cpu/modes.rs",
        &cpu::SCENARIO,
    ),
    shown(
        "when-async",
        "When is async I/O worth it?",
        "When the work waits for others, as in fetching from the network. While one task waits, the same \
         thread goes on with the others, so that all the waits overlap.",
        "demos/src/scenarios/io/tasks.rs",
        &io::SCENARIO,
    ),
];
