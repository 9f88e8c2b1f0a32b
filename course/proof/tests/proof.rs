//! Each reference gets 100 points, each skeleton none, and each wrong solution loses what its file says, by
//! the rules that it says. All are graded twice, and the grades are the same to the byte.

use brigade_course::{Format, Grade, Submission, draw, grade, mutant::Mutant, root, write};
use brigade_course_kit::{LABS, Lab, Verdict, find};
use std::{env, fs, path::Path};

/// The forms that a grade is compared in.
const FORMATS: [Format; 4] = [Format::Json, Format::Gradescope, Format::Exercism, Format::Junit];

/// The labs to grade: all, or the one whose number stands in `LAB`.
fn labs() -> impl Iterator<Item = &'static Lab> {
    let only = env::var("LAB").ok().map(|number| number.parse::<u8>().expect("LAB is a number"));
    let labs: Vec<_> = LABS.iter().filter(|lab| only.is_none_or(|only| lab.number == only)).collect();
    assert!(!labs.is_empty(), "LAB names no lab");
    labs.into_iter().copied()
}

fn submission(lab: &Lab, name: &str) -> Submission {
    let name = format!("{}/{name}", lab.folder());
    Submission::new(env!("CARGO_BIN_EXE_course-submissions").into(), &[&name])
}

fn grade_twice(lab: &'static Lab, name: &str) -> Grade {
    let submission = submission(lab, name);
    let make = || grade(lab, &submission, &[0]).expect("the runner starts");
    let (first, second) = (make(), make());
    for format in FORMATS {
        let (one, other) = (write(&first, format), write(&second, format));
        let differ = one.lines().zip(other.lines()).find(|(one, other)| one != other);
        assert!(one == other, "{name}: two grades differ: {differ:?}");
    }
    first
}

/// The lost tests with their rules, in the order of the lab.
fn lost(grade: &Grade) -> Vec<(String, String)> {
    let marks = grade.marks.iter();
    let lost = marks.filter_map(|mark| Some((mark.test.name.to_owned(), mark.finding()?.rule.clone())));
    lost.collect()
}

/// The wrong solutions of a lab, by name.
fn mutants(lab: &Lab) -> Vec<(String, Mutant)> {
    let folder = root().join("course/mutants").join(lab.folder());
    let read = |path: &Path| {
        let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(path).expect("it can be read");
        (name, Mutant::read(&text).expect("it is a wrong solution"))
    };
    let files = fs::read_dir(&folder).expect("each lab has wrong solutions");
    let mut paths: Vec<_> = files.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

#[test]
fn references_get_all_points() {
    for lab in labs() {
        let first = grade_twice(lab, "reference");
        assert_eq!(first.points(), 100, "{}", write(&first, Format::Json));
        // Cases of other numbers, too: a check of a student draws a seed each time.
        let others = grade(lab, &submission(lab, "reference"), &[1, 2, 3, 4]).expect("the runner starts");
        assert_eq!(others.points(), 100, "{}", write(&others, Format::Json));
    }
}

#[test]
fn skeletons_get_no_points() {
    for lab in labs() {
        let grade = grade_twice(lab, "skeleton");
        assert_eq!(grade.points(), 0, "{}", write(&grade, Format::Json));
        let wrong: Vec<_> = lost(&grade).into_iter().filter(|(_, rule)| rule != "unwritten").collect();
        assert!(wrong.is_empty(), "lab {}: {wrong:?}", lab.number);
    }
}

#[test]
fn wrong_solutions_lose_what_their_files_say() {
    let mut wrong = Vec::new();
    for lab in labs() {
        let mutants = mutants(lab);
        assert!(mutants.len() >= 4, "lab {} has {} wrong solutions", lab.number, mutants.len());
        for (name, mutant) in mutants {
            let grade = grade_twice(lab, &name);
            let lost = lost(&grade);
            if lost != mutant.loses {
                let words: Vec<_> = lost.iter().map(|(test, rule)| format!("{test}={rule}")).collect();
                wrong.push(format!("{}/{name} loses: {}", lab.folder(), words.join(" ")));
            }
            for (_, rule) in &lost {
                let has_hints = (1..=3).all(|level| !lab.hint(rule, level).is_empty());
                assert!(has_hints, "lab {} has no hints for {rule}", lab.number);
            }
        }
    }
    assert!(wrong.is_empty(), "these tables are not true:\n{}", wrong.join("\n"));
}

#[test]
fn a_reference_has_at_most_300_lines() {
    for lab in labs() {
        let path = root().join("course/solutions").join(lab.folder()).join("lib.rs");
        let lines = fs::read_to_string(&path).expect("it can be read").lines().count();
        assert!(lines <= 300, "{} has {lines} lines", path.display());
    }
}

/// Tests whose chapter promises that all schedules with two deviations are among those that are run.
const EXHAUSTIVE: &[(u8, &str)] = &[(7, "park-and-unpark"), (7, "every-interleaving")];

#[test]
fn exhaustive_tests_run_every_schedule_with_two_deviations() {
    for &(number, test) in EXHAUSTIVE {
        let lab = find(number).expect("the lab exists");
        let submission = format!("{}/reference", lab.folder());
        let submission = Submission::new(env!("CARGO_BIN_EXE_course-submissions").into(), &[&submission]);
        let verdict = submission.run(lab.test(test).expect("the lab has the test"), 0).expect("it starts");
        let Verdict::Passed { all_deviations, .. } = verdict else { panic!("{test}: {verdict:?}") };
        assert!(all_deviations >= 2, "lab {number}, {test}: all schedules with {all_deviations} deviations");
    }
}

/// The pictures of the chapters: the lab, the submission, the test, the schedule, the title.
const PICTURES: &[(u8, &str, &str, &str, &str, &str)] = &[
    (1, "woken", "reference", "every-interleaving", "", "The thread sleeps, and is woken"),
    (
        1,
        "no-sleep",
        "reference",
        "every-interleaving",
        "root.preempt.2=1",
        "The wake-up comes before the sleep",
    ),
    (2, "turns", "reference", "woken-in-the-queue", "", "Two tasks take turns"),
    (
        2,
        "woken-while-it-runs",
        "reference",
        "every-interleaving",
        "root.preempt.12=1",
        "A task is woken while the executor has it in its hands",
    ),
    (3, "waits", "reference", "every-interleaving", "", "The handle waits for its task"),
    (
        3,
        "handle-last",
        "reference",
        "detached-at-any-time",
        "root.preempt.2=1",
        "The output goes with the handle",
    ),
    (4, "follows-next", "reference", "follows-next", "", "The clock steps from one moment to the next"),
    (
        4,
        "cancelled",
        "reference",
        "cancel-against-fire",
        "root.preempt.1=1",
        "Timers are cancelled at the moment when they are due",
    ),
    (5, "waits", "reference", "oneshot-interleavings", "", "The receiver waits for the item"),
    (
        5,
        "item-first",
        "reference",
        "oneshot-interleavings",
        "root.preempt.1=1",
        "The item comes before the look",
    ),
    (6, "passed-on", "reference", "cancel-race", "root.preempt.1=1", "A permit is passed on"),
    (
        8,
        "taken-twice",
        "owner-without-swap",
        "last-item",
        "root.preempt.1=1 w1.preempt.3=1 root.preempt.5=1",
        "The owner and a thief take the last item",
    ),
    (
        8,
        "last-item",
        "reference",
        "last-item",
        "root.preempt.1=1 w1.preempt.3=1 root.preempt.5=1",
        "The thief takes the last item, and the owner learns it",
    ),
    (9, "woken", "reference", "waits", "", "The bytes come an hour later"),
    (
        9,
        "before-sleep",
        "reference",
        "every-interleaving",
        "root.preempt.6=2",
        "The byte comes before the guest sleeps",
    ),
    (
        9,
        "lost",
        "wakes-and-remembers-nothing",
        "every-interleaving",
        "root.preempt.5=2",
        "The byte comes before the waker, and is lost",
    ),
    (
        7,
        "no-second-look",
        "no-second-look",
        "every-interleaving",
        "w1.preempt.2=1",
        "A worker sleeps beside a job that came before its sleep",
    ),
    (
        7,
        "second-look",
        "reference",
        "every-interleaving",
        "w1.preempt.2=1",
        "A worker looks again before it sleeps, and finds a job",
    ),
    (11, "first-failure", "reference", "every-interleaving", "", "A child fails, and the group ends"),
    (12, "idle", "reference", "killed-while-idle", "", "A child dies with nothing to do"),
    (12, "killed", "reference", "killed-anywhere", "w1.preempt.5=1", "A child dies, and its call is lost"),
];

/// A longer run is drawn without its locks and atomics, but for those of the lab whose subject they are.
const FULL_LINES: usize = 24;
const ABOUT_ATOMICS: u8 = 8;
const IN_FULL: [&str; 7] = ["lock ", "unlock ", "load ", "store ", "swap ", "fetch_", "compare_"];

/// `UPDATE_PICTURES=1 cargo test -p brigade-course-proof` draws them anew.
#[test]
fn pictures_of_the_chapters_are_of_runs_of_today() {
    for &(number, name, submission, test, schedule, title) in PICTURES {
        let lab = find(number).expect("there is such a lab");
        let submission = format!("{}/{submission}", lab.folder());
        let submission = Submission::new(env!("CARGO_BIN_EXE_course-submissions").into(), &[&submission]);
        let test = lab.test(test).expect("the lab has the test");
        let mut picture = submission.picture(test, schedule).expect("the run has lanes");
        if picture.lines.len() > FULL_LINES && number != ABOUT_ATOMICS {
            picture.lines.retain(|(_, words)| !IN_FULL.iter().any(|start| words.starts_with(start)));
        }
        for (_, words) in &mut picture.lines {
            // The submissions lie in files of their own here.
            let place = words.rsplit_once("  ").and_then(|(_, place)| place.split_once(':'));
            if let Some((file, _)) = place.filter(|(file, _)| file.starts_with("lab")) {
                *words = words.replace(file, "lib.rs");
            }
        }
        let svg = draw(&picture, title);
        let path = root().join(format!("course/book/src/labs/{:02}-{name}.svg", lab.number));
        if env::var_os("UPDATE_PICTURES").is_some() {
            fs::write(&path, &svg).expect("it can be written");
        }
        let drawn = fs::read_to_string(&path).unwrap_or_default();
        assert!(svg == drawn, "{} is not of today: UPDATE_PICTURES=1 draws it anew", path.display());
    }
}

/// The lines of a failure, each with whether it stands in the second lane. The width of the lanes depends on
/// the names of files, which are longer here.
fn lines_of(text: &str) -> Vec<(bool, String)> {
    let is_told = |line: &&str| !line.trim().is_empty() && !line.starts_with("──────");
    let line = |line: &str| {
        (line.starts_with(&" ".repeat(30)), line.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    text.lines().filter(is_told).map(line).collect()
}

#[test]
fn the_failure_in_the_book_is_of_a_run_of_today() {
    let page = fs::read_to_string(root().join("course/book/src/how-labs-work.md")).expect("it can be read");
    let shown = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    let runner = env!("CARGO_BIN_EXE_course-submissions").into();
    let submission = Submission::new(runner, &["01-block-on/no-memory"]);
    let verdict = submission.call(&["every-interleaving", "--columns", "118"]).expect("the runner starts");
    let Verdict::Failed(finding) = verdict else { panic!("{verdict:?}") };
    let told = format!(
        "every-interleaving\nexpected {}\nhappened {}\n{}",
        finding.expected, finding.happened, finding.lanes
    );
    let told = lines_of(&told.replace("lab01_no_memory.rs", "lib.rs"));
    assert_eq!(lines_of(shown.expect("the page shows a failure")), told);
}

/// The chapters on the scenarios show recorded runs, which the book needs in its own folder.
#[test]
fn pictures_of_the_scenarios_are_those_of_the_documents() {
    let (book, docs) = (root().join("course/book/src/pictures"), root().join("docs/timelines"));
    for file in fs::read_dir(&book).expect("the book has pictures") {
        let path = file.expect("it can be read").path();
        let original = docs.join(path.file_name().expect("it has a name"));
        let recorded = fs::read_to_string(&original).expect("the documents have it as well");
        if env::var_os("UPDATE_PICTURES").is_some() {
            fs::write(&path, &recorded).expect("it can be written");
        }
        let copied = fs::read_to_string(&path).expect("it can be read");
        assert!(copied == recorded, "{} is not of today: UPDATE_PICTURES=1 copies it anew", path.display());
    }
}
