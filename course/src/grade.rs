//! Grading: each test of a lab, for each seed.

use crate::Submission;
use brigade_course_kit::{Finding, Lab, Test, Verdict};
use std::{
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

/// A test with its verdict.
#[derive(Clone, Debug)]
pub struct Marked {
    /// The test.
    pub test: &'static Test,
    /// The verdict: the first one that is no pass, or the last one.
    pub verdict: Verdict,
}

impl Marked {
    /// Returns the points that the submission gets.
    #[must_use]
    pub fn points(&self) -> u32 {
        match self.verdict {
            Verdict::Passed { .. } => self.test.points,
            Verdict::Failed(_) => 0,
        }
    }

    /// Returns the broken rule, if there is one.
    #[must_use]
    pub fn finding(&self) -> Option<&Finding> {
        match &self.verdict {
            Verdict::Passed { .. } => None,
            Verdict::Failed(finding) => Some(finding),
        }
    }
}

/// The verdicts of a lab.
#[derive(Clone, Debug)]
pub struct Grade {
    /// The lab.
    pub lab: &'static Lab,
    /// Its tests, in their order.
    pub marks: Vec<Marked>,
}

impl Grade {
    /// Returns the points of all tests.
    #[must_use]
    pub fn points(&self) -> u32 {
        self.marks.iter().map(Marked::points).sum()
    }

    /// Makes the grade of a submission that cannot be run.
    #[must_use]
    pub fn nothing(lab: &'static Lab, finding: &Finding) -> Self {
        let mark = |test| Marked { test, verdict: Verdict::Failed(Box::new(finding.clone())) };
        Self { lab, marks: lab.tests.iter().map(mark).collect() }
    }
}

/// Grades a submission. Tests run side by side, each in a process of its own.
///
/// # Errors
///
/// Returns the operating system's error if the runner cannot be started.
pub fn grade(lab: &'static Lab, submission: &Submission, seeds: &[u64]) -> io::Result<Grade> {
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    let mark_tests = || loop {
        // Relaxed: each index is taken once, and the lock orders the rest.
        let index = next.fetch_add(1, Relaxed);
        let Some(test) = lab.tests.get(index) else { return };
        let verdict = verdict_of(test, submission, seeds);
        verdicts.lock().unwrap_or_else(PoisonError::into_inner).push((index, verdict));
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(lab.tests.len());
        (1..threads).for_each(|_| drop(scope.spawn(mark_tests)));
        mark_tests();
    });
    let mut verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    verdicts.sort_by_key(|&(index, _)| index);
    let mark = |(index, verdict): (usize, io::Result<Verdict>)| {
        Ok(Marked { test: &lab.tests[index], verdict: verdict? })
    };
    Ok(Grade { lab, marks: verdicts.into_iter().map(mark).collect::<io::Result<_>>()? })
}

fn verdict_of(test: &Test, submission: &Submission, seeds: &[u64]) -> io::Result<Verdict> {
    let mut verdict = submission.run(test, seeds.first().copied().unwrap_or(0))?;
    for &seed in seeds.iter().skip(1) {
        if matches!(verdict, Verdict::Failed(_)) {
            break;
        }
        verdict = submission.run(test, seed)?;
    }
    Ok(verdict)
}
