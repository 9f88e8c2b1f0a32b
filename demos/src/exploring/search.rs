//! `brigade explore NAME`: the shortest run that fails, and the runs of the cured version.

use super::lessons::{Lesson, Version};
use crate::{
    recorder::{Destination, cannot},
    scenario::{CommandError, Exit},
    show::{Output, Style, counted, thousands},
};
use brigade_explore::{Coverage, Deviation, Explore, Failed, Schedule, Shortness, Verdict};
use serde_json::json;

/// The schedules of a version, unless the command line says how many.
const SCHEDULES: u32 = 10_000;
/// The schedules of a cured version: enough for all with two deviations of most lessons.
const CURED_SCHEDULES: u32 = 50_000;
/// The deviations of the schedules of a cured version.
const DEVIATIONS: u32 = 2;
/// The most runs in which a schedule that passes is looked for.
const MAX_NEAREST_RUNS: usize = 1_000;

/// A lesson to be explored, within bounds.
pub(super) struct Search {
    pub(super) lesson: Lesson,
    pub(super) workers: Option<usize>,
    pub(super) schedules: Option<u32>,
    pub(super) seed: u32,
    pub(super) trace: Option<Destination>,
}

impl Search {
    /// A check with so many schedules, unless the command line says another number.
    fn explore(&self, schedules: u32) -> Explore {
        let schedules = self.schedules.unwrap_or(schedules);
        Explore::new().schedules(schedules.into()).seed(self.seed.into())
    }

    /// Explores the versions, and tells what was found.
    pub(super) fn show(&self, output: &Output, from: Version) -> Result<Exit, CommandError> {
        self.heading(output);
        if from == Version::Broken {
            let program = self.lesson.program(Version::Broken, self.workers)?;
            match program.explore(self.explore(SCHEDULES)) {
                Verdict::Failed(failed) => self.show_failed(output, Version::Broken, *failed)?,
                Verdict::Passed(coverage) => {
                    self.record(output, Version::Broken, coverage);
                    output.line("");
                    output.paragraph(&format!(
                        "No failure of the broken version in {}: give more with --schedules.",
                        counted(coverage.schedules as usize, "schedule", "schedules"),
                    ));
                    return Ok(Exit::FAILURE);
                }
                Verdict::Unfit { .. } => unreachable!("a search replays nothing"),
            }
        }
        self.show_cured(output)
    }

    fn show_cured(&self, output: &Output) -> Result<Exit, CommandError> {
        let program = self.lesson.program(Version::Cured, self.workers)?;
        if output.is_live() {
            output.line("");
            output.line("Now the cured version …");
        }
        match program.explore(self.explore(CURED_SCHEDULES).deviations(DEVIATIONS)) {
            Verdict::Passed(coverage) => {
                self.record(output, Version::Cured, coverage);
                output.line("");
                output.paragraph(&format!("The cured version: {}.", covered(coverage)));
                Ok(Exit::SUCCESS)
            }
            Verdict::Failed(failed) => {
                self.show_failed(output, Version::Cured, *failed)?;
                Ok(Exit::FAILURE)
            }
            Verdict::Unfit { .. } => unreachable!("a search replays nothing"),
        }
    }

    /// Runs one schedule.
    pub(super) fn replay(
        &self,
        output: &Output,
        version: Version,
        schedule: &Schedule,
    ) -> Result<Exit, CommandError> {
        let program = self.lesson.program(version, self.workers)?;
        match program.replay(Explore::new(), schedule.clone()) {
            Verdict::Failed(failed) => {
                self.heading(output);
                self.show_failed(output, version, *failed)?;
                Ok(Exit::SUCCESS)
            }
            Verdict::Passed(coverage) => {
                if let Some(trace) = &self.trace {
                    let path = trace.path().display();
                    return Err(CommandError::usage(format!(
                        "this run passes, and --trace draws a run that fails: {path} is as it was"
                    )));
                }
                self.heading(output);
                self.record(output, version, coverage);
                output.line("");
                output.paragraph(&format!("The {} version passes under this schedule.", version.name()));
                let stepped = program.step(Explore::new()).run(schedule);
                output.line("");
                stepped
                    .lanes(stepped.choices(), output.columns())
                    .lines()
                    .for_each(|line| output.line_as_it_is(line));
                Ok(Exit::SUCCESS)
            }
            Verdict::Unfit { missing, .. } => {
                let missing: Vec<_> = missing.iter().map(Deviation::to_string).collect();
                Err(CommandError::usage(format!(
                    "the schedule does not fit the {} version of {}: its run does not come to {}",
                    version.name(),
                    self.lesson.name,
                    missing.join(", "),
                )))
            }
        }
    }

    fn heading(&self, output: &Output) {
        let Lesson { name, bug, path, .. } = self.lesson;
        output.labelled(Style::Strong, &format!("{name}: "), bug.about);
        output.line(format_args!("  {path}"));
    }

    fn show_failed(&self, output: &Output, version: Version, mut failed: Failed) -> Result<(), CommandError> {
        let name = self.lesson.name;
        let nearest = self.nearest_pass(version, &failed)?;
        self.record_failed(output, version, &failed, nearest.as_ref());
        output.line("");
        output.paragraph(&found(version, &failed));
        output.line("");
        output.line(format_args!("  {}", told(&failed.schedule)));
        output.line("");
        output.line(output.paint(Style::Bad, format!("{}:", failed.failure.class)));
        failed.failure.message.lines().for_each(|line| output.line(format_args!("  {line}")));
        failed.failure.sites.iter().for_each(|site| output.line(format_args!("  at {site}")));
        output.line("");
        failed.lanes(output.columns()).lines().for_each(|line| output.line_as_it_is(line));
        if version == Version::Broken && failed.shortness != Shortness::Given {
            output.line("");
            output.paragraph(self.lesson.bug.why);
        }
        let versions = if version == Version::Cured { " --cured" } else { "" };
        let workers = self.workers.map(|workers| format!(" --workers {workers}")).unwrap_or_default();
        let options = format!("{versions}{workers}");
        output.line("");
        if let Some(nearest) = nearest {
            output.line(format_args!("The nearest that passes: {}", told(&nearest)));
        }
        output.line("The same run again, and by hand:");
        output.line(format_args!("  brigade explore {name}{options} --schedule '{}'", failed.schedule));
        output.line(format_args!("  brigade step {name}{options}"));
        if let Some(trace) = &self.trace {
            failed.test = format!("brigade explore {name}");
            failed.write_timeline(trace.path()).map_err(|error| cannot("write", trace.path(), error))?;
            output.line(format_args!("The run as a timeline: {}", trace.path().display()));
        }
        Ok(())
    }

    /// The schedule that passes and is nearest to the one that fails.
    fn nearest_pass(&self, version: Version, failed: &Failed) -> Result<Option<Schedule>, CommandError> {
        let program = self.lesson.program(version, self.workers)?;
        Ok(program.step(Explore::new()).nearest_pass(&failed.schedule, MAX_NEAREST_RUNS))
    }

    fn record(&self, output: &Output, version: Version, coverage: Coverage) {
        let Coverage { schedules, all_deviations, is_complete, .. } = coverage;
        output.record(
            "exploration",
            &json!({
                "lesson": self.lesson.name, "version": version.name(), "fails": false, "schedules": schedules,
                "all_deviations": all_deviations, "is_complete": is_complete,
            }),
        );
    }

    fn record_failed(&self, output: &Output, version: Version, failed: &Failed, nearest: Option<&Schedule>) {
        output.record(
            "exploration",
            &json!({
                "lesson": self.lesson.name, "version": version.name(), "fails": true,
                "class": failed.failure.class.name(), "message": failed.failure.message,
                "sites": failed.failure.sites, "schedule": failed.schedule.to_string(),
                "is_shortest": failed.shortness == Shortness::Shortest,
                "nearest_pass": nearest.map(ToString::to_string),
                "schedules": failed.coverage.schedules, "shrink_runs": failed.shrink_runs,
                "all_deviations": failed.coverage.all_deviations, "is_complete": failed.coverage.is_complete,
            }),
        );
    }
}

/// Says how the schedule was found.
fn found(version: Version, failed: &Failed) -> String {
    let version = version.name();
    let schedules = thousands(failed.coverage.schedules);
    let runs = counted(failed.shrink_runs as usize, "run", "runs");
    match failed.shortness {
        Shortness::Given => format!("The {version} version fails under this schedule:"),
        _ if failed.schedule.deviations().is_empty() => {
            format!("The {version} version fails under the usual schedule:")
        }
        Shortness::Shortest if failed.shrink_runs == 0 => format!(
            "The {version} version fails. Schedule {schedules} of the search is the shortest that fails so:"
        ),
        Shortness::Shortest => format!(
            "The {version} version fails. Schedule {schedules} of the search was shrunk in {runs} to the shortest \
             that fails so:"
        ),
        Shortness::OneMinimal => format!(
            "The {version} version fails. Schedule {schedules} of the search was shrunk in {runs} to one of which \
             nothing can be left out:"
        ),
    }
}

/// A schedule as a reader sees it.
fn told(schedule: &Schedule) -> String {
    if schedule.deviations().is_empty() { "(the usual one)".to_owned() } else { schedule.to_string() }
}

/// Says which schedules have passed.
fn covered(coverage: Coverage) -> String {
    let Coverage { schedules, all_deviations, is_complete, .. } = coverage;
    let number = thousands(schedules);
    let most = counted(all_deviations as usize, "deviation", "deviations");
    if is_complete {
        format!("all {number} schedules that there are pass")
    } else if all_deviations >= DEVIATIONS {
        format!("all {number} schedules with at most {most} pass")
    } else {
        format!(
            "{number} schedules pass: all with at most {most}, the others by chance (more with --schedules)"
        )
    }
}
