//! A lab as data: its tests, what each is worth, its hints, its questions and its incident.

use crate::Case;

/// A lab.
#[derive(Debug)]
pub struct Lab {
    /// The number, from 1.
    pub number: u8,
    /// The end of its folders' names: `block-on`.
    pub slug: &'static str,
    /// The title.
    pub title: &'static str,
    /// The tests. Their points are 100 together.
    pub tests: &'static [Test],
    /// The hints. A rule that every lab has is not among them.
    pub hints: &'static [Hint],
    /// Questions to answer before one runs them.
    pub questions: &'static [Question],
    /// A mistake that others have made with what the lab is about.
    pub incident: Incident,
}

/// A question with numbers by chance: predict, then run.
#[derive(Debug)]
pub struct Question {
    /// Tells what is run, and asks for a number.
    pub ask: fn(&mut Case) -> String,
    /// Runs it, on Brigade itself, and returns the number.
    pub run: fn(&mut Case) -> u64,
    /// Says why the number is what it is.
    pub why: &'static str,
}

/// A mistake to replay.
#[derive(Debug)]
pub struct Incident {
    /// The story, in a paragraph.
    pub story: &'static str,
    /// The name of the program with the mistake, in `brigade_explore::bugs`.
    pub bug: &'static str,
}

/// A graded test of a lab.
#[derive(Debug)]
pub struct Test {
    /// The name by which it is replayed.
    pub name: &'static str,
    /// A sentence: what the student's code does.
    pub about: &'static str,
    /// The points.
    pub points: u32,
    /// The number of schedules. 1 is the usual schedule alone. 0 is no schedule at all: the test runs once on
    /// the operating system itself.
    pub schedules: u64,
    /// The meaning of a run in which nothing goes on.
    pub stuck: Stuck,
}

/// Makes a test, in one line of a lab's table.
pub(crate) const fn test(
    name: &'static str,
    points: u32,
    schedules: u64,
    stuck: Stuck,
    about: &'static str,
) -> Test {
    Test { name, about, points, schedules, stuck }
}

/// The meaning of a run of a test in which nothing goes on.
#[derive(Debug)]
pub struct Stuck {
    /// The rule that is broken.
    pub rule: &'static str,
    /// The event that should have come.
    pub expected: &'static str,
}

/// The hints for a broken rule.
#[derive(Debug)]
pub struct Hint {
    /// The rule.
    pub rule: &'static str,
    /// From a question to the answer.
    pub levels: [&'static str; 3],
}

impl Lab {
    /// Returns the number and the slug: `01-block-on`.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{:02}-{}", self.number, self.slug)
    }

    /// Returns the test of this name.
    #[must_use]
    pub fn test(&self, name: &str) -> Option<&'static Test> {
        self.tests.iter().find(|test| test.name == name)
    }

    /// Returns the hint of a level, from 1 to 3, for a broken rule. An unknown rule has an empty text.
    ///
    /// ```
    /// let lab = brigade_course_kit::find(1).unwrap();
    /// assert!(lab.hint("lost-wake", 1).ends_with('?'));
    /// ```
    #[must_use]
    pub fn hint(&self, rule: &str, level: usize) -> &'static str {
        let mut all = self.hints.iter().chain(SHARED_HINTS);
        all.find(|hint| hint.rule == rule).map_or("", |hint| hint.levels[level.clamp(1, 3) - 1])
    }
}

/// Finds a lab by its number.
#[must_use]
pub fn find(number: u8) -> Option<&'static Lab> {
    crate::LABS.iter().find(|lab| lab.number == number).copied()
}

/// The hints for rules that every lab has.
const SHARED_HINTS: &[Hint] = &[
    Hint {
        rule: "unwritten",
        levels: [
            "The skeleton calls `to_write` there. Which step of the chapter does it name?",
            "Replace the call of `to_write` by the code of the step that it names.",
            "Read the section \"Your part\" of the chapter, and write its steps in order.",
        ],
    },
    Hint {
        rule: "panic",
        levels: [
            "Which value did the panicking line expect, and which thread could have changed it?",
            "Follow the lanes up from the last line: the panic is the end of that story, not its cause.",
            "If the line is an `unwrap` of an `Option` that another thread takes from, take and look under one lock.",
        ],
    },
    Hint {
        rule: "busy-loop",
        levels: [
            "Which line runs again and again here, and what does it wait for?",
            "A thread that waits must sleep. Only the event that it waits for may make it run again.",
            "Replace the loop by `Condvar::wait`, or by `thread::park` with a flag that is looked at again.",
        ],
    },
    Hint {
        rule: "outside",
        levels: [
            "Which lock, channel or sleep of the code is one of `std`?",
            "Under the exploring scheduler, threads may only wait in types of `brigade_course_kit`.",
            "Use `brigade_course_kit::sync` and `thread` in place of `std::sync` and `std::thread`.",
        ],
    },
    Hint {
        rule: "leak",
        levels: [
            "Which thread still waits, although the test is over?",
            "A thread that your code has started must end when its owner is dropped or shut down.",
            "Set a flag, wake the thread, and join it.",
        ],
    },
    Hint {
        rule: "limits",
        levels: [
            "Does the code allocate in a loop, end the process, start another one, or write a file?",
            "A lab needs none of these: it runs with little memory, and no processes, files or sockets.",
            "Look for a collection that grows on each round of a loop, and for `process::exit`.",
        ],
    },
    Hint {
        rule: "differs",
        levels: [
            "Does the code ask for the time, for a random number, or for the order of a `HashMap`?",
            "Two runs of one schedule must be the same, or a failure could not be replayed.",
            "Use `BTreeMap` or `Vec` in place of `HashMap`, and the clock of the kit in place of `Instant`.",
        ],
    },
];

#[cfg(test)]
mod tests {
    use crate::{Case, LABS};

    #[test]
    fn the_points_of_each_lab_are_100() {
        for lab in LABS {
            assert_eq!(lab.tests.iter().map(|test| test.points).sum::<u32>(), 100, "lab {}", lab.number);
        }
    }

    #[test]
    fn labs_are_in_order_and_tests_have_names_of_their_own() {
        assert!(LABS.is_sorted_by(|lab, next| lab.number < next.number));
        for lab in LABS {
            for (index, test) in lab.tests.iter().enumerate() {
                assert!(lab.tests[..index].iter().all(|other| other.name != test.name), "{}", test.name);
                assert!(!test.name.contains(['.', '=', ' ']), "{} could be a deviation", test.name);
                assert!(!lab.hint(test.stuck.rule, 1).is_empty(), "{} has no hint", test.stuck.rule);
            }
        }
    }

    #[test]
    fn each_lab_has_questions_with_an_answer_and_an_incident() {
        for lab in LABS {
            assert!((2..=3).contains(&lab.questions.len()), "lab {}", lab.number);
            for question in lab.questions {
                for seed in 0..20 {
                    let asked = (question.ask)(&mut Case::new(seed));
                    assert!(asked.ends_with('?'), "{asked}");
                    let answer = (question.run)(&mut Case::new(seed));
                    assert_eq!(answer, (question.run)(&mut Case::new(seed)), "{asked}");
                }
            }
            let mut bugs = brigade_explore::bugs::ALL.iter();
            assert!(bugs.any(|bug| bug.name == lab.incident.bug), "{}", lab.incident.bug);
        }
    }

    #[test]
    fn the_first_hint_asks_and_the_others_tell() {
        for lab in LABS {
            for hint in lab.hints.iter().chain(super::SHARED_HINTS) {
                assert!(hint.levels[0].ends_with('?'), "{}: {}", hint.rule, hint.levels[0]);
                assert!(hint.levels[1..].iter().all(|level| level.ends_with('.')), "{}", hint.rule);
            }
        }
    }
}
