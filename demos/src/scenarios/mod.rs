//! The scenarios, one file (or folder) each, in the order of the document.

pub mod cards;
pub mod chain;
pub mod cpu;
pub mod daemon;
pub mod deadlock;
pub mod decide;
pub mod executor;
pub mod generator;
pub mod gil;
pub mod hello;
pub mod io;
pub mod joins;
pub mod kitchen;
pub mod lock;
pub mod producer_consumer;
pub mod queue;
pub mod race;
pub mod run;
pub mod serve;
pub mod thread;
pub mod tour;

use crate::scenario::Scenario;

/// All scenarios, in the order of the document.
pub static ALL: &[&Scenario] = &[
    &kitchen::SCENARIO,
    &io::SCENARIO,
    &cpu::SCENARIO,
    &decide::SCENARIO,
    &gil::SCENARIO,
    &hello::SCENARIO,
    &chain::SCENARIO,
    &queue::SCENARIO,
    &generator::SCENARIO,
    &run::SCENARIO,
    &thread::SCENARIO,
    &daemon::SCENARIO,
    &executor::SCENARIO,
    &race::SCENARIO,
    &lock::SCENARIO,
    &deadlock::SCENARIO,
    &producer_consumer::SCENARIO,
    &joins::SCENARIO,
    &cards::SCENARIO,
    &serve::SCENARIO,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    #[test]
    fn every_line_about_a_scenario_fits_a_terminal() {
        for Scenario { name, about, .. } in ALL {
            // In the list and in the help: a margin, the longest name, a gap. As a heading: the name and
            // three gaps.
            let widest = (21 + about.chars().count()).max(7 + name.len() + about.chars().count());
            assert!(widest <= 80, "{name}: {widest} columns");
        }
    }

    #[test]
    fn every_function_that_an_explanation_names_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for scenario in ALL {
            assert!(!scenario.idea.is_empty() && !scenario.made_by.is_empty(), "{}", scenario.name);
            for place in scenario.made_by {
                let (file, function) = place.split_once("::").unwrap();
                let text =
                    fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
                let named = |end: &str| text.contains(&format!("fn {function}{end}"));
                assert!(named("(") || named("<"), "{}: {place} is not there", scenario.name);
            }
        }
    }
}
