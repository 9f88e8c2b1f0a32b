//! The run that is stepped through, and what each key does.
//!
//! Nothing of a run is kept between two steps. The session has a schedule and a position, and makes the run
//! anew for each picture: a step back is a shorter run of the same schedule.

use crate::{
    exploring::lessons::{Lesson, Version},
    scenario::{CommandError, Exit},
};
use brigade_explore::{Ahead, Course, Explore, Moment, Schedule, Stepper, Verdict};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;

/// The exit code that a shell reports for Ctrl-C.
const CTRL_C: Exit = Exit(130);
/// The time from one told event to the next while the run plays.
const INTERVAL: Duration = Duration::from_millis(150);
/// How much slower slow motion is.
const SLOWNESS: u32 = 10;
/// The schedules in which a failure is looked for.
const SCHEDULES: u64 = 10_000;

/// The action that follows a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    Draw,
    End(Exit),
}

/// Whether the run goes on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Stands,
    Plays,
    PlaysSlowly,
}

/// A lesson that is stepped through.
pub(super) struct Session {
    pub(super) lesson: Lesson,
    pub(super) version: Version,
    workers: Option<usize>,
    stepper: Stepper,
    /// The whole run of the schedule.
    pub(super) course: Course,
    /// The number of choices that were made.
    pub(super) at: u32,
    pub(super) moment: Moment,
    pub(super) ahead: Ahead,
    /// The way that Enter goes.
    pub(super) selected: usize,
    pub(super) playing: Pace,
    pub(super) has_help: bool,
    /// A search that begins after the next picture, which says so.
    is_searching: bool,
    /// A line for the user.
    pub(super) note: String,
}

impl Session {
    /// Makes the first run.
    pub(super) fn begin(
        lesson: Lesson,
        version: Version,
        workers: Option<usize>,
        schedule: Schedule,
    ) -> Result<Self, CommandError> {
        let mut stepper = lesson.program(version, workers)?.step(Explore::new());
        let course = stepper.run(&schedule);
        let mut session = Self {
            lesson,
            version,
            workers,
            stepper,
            course,
            at: 0,
            moment: Moment::default(),
            ahead: Ahead::Finished,
            selected: 0,
            playing: Pace::Stands,
            has_help: false,
            is_searching: false,
            note: String::new(),
        };
        if let Some(missing) =
            schedule.deviations().iter().find(|asked| !session.course.schedule().has(asked.key))
        {
            session.note = format!("the run does not come to {missing}");
        }
        session.go_to(0);
        Ok(session)
    }

    /// Goes to the moment before the choice of this index, or to the end of the run.
    fn go_to(&mut self, choice: u32) {
        self.at = choice.min(self.course.choices());
        let schedule = self.course.schedule().clone();
        self.moment = self.stepper.stop(&schedule, self.at);
        self.ahead = self.stepper.ahead(&self.course, &self.moment);
        self.selected = self.course.way_at(self.at).map_or(0, |way| way as usize);
    }

    /// Makes the choice that comes next, and goes to the next one.
    fn choose(&mut self, way: usize) {
        let Ahead::Choice { key, ways } = &self.ahead else { return };
        let Some(way) = ways.get(way) else { return };
        if self.course.way_at(self.at) != Some(way.value) {
            // The choices after this one belonged to another run.
            let schedule = self.course.before(self.at).with(*key, way.value);
            self.course = self.stepper.run(&schedule);
        }
        self.go_to(self.at + 1);
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.course.choices()
    }

    /// Whether something is to be done that takes a while, after a picture that says so.
    pub(super) fn has_work(&self) -> bool {
        self.is_searching
    }

    /// Looks for the shortest failure, and goes to its first deviation.
    pub(super) fn work(&mut self) -> Result<(), CommandError> {
        self.is_searching = false;
        let program = self.lesson.program(self.version, self.workers)?;
        self.note = match program.explore(Explore::new().schedules(SCHEDULES)) {
            Verdict::Failed(failed) => {
                self.course = self.stepper.run(&failed.schedule);
                let first = (0..self.course.choices()).find(|&at| self.course.way_at(at) != Some(0));
                self.go_to(first.unwrap_or(0));
                "the shortest failure: n goes on to it, e to its end".to_owned()
            }
            _ => format!("no schedule of {SCHEDULES} fails"),
        };
        Ok(())
    }

    /// The time until the run goes on by itself.
    pub(super) fn pace(&self) -> Option<Duration> {
        match self.playing {
            Pace::Stands => None,
            Pace::Plays => Some(INTERVAL),
            Pace::PlaysSlowly => Some(INTERVAL * SLOWNESS),
        }
    }

    /// Goes on to what is told next.
    pub(super) fn play(&mut self) {
        self.go_to(self.course.next_told(self.at));
        if self.is_at_end() {
            self.playing = Pace::Stands;
        }
    }

    /// Handles a key.
    pub(super) fn press(&mut self, key: KeyEvent) -> Result<After, CommandError> {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Ok(After::End(CTRL_C));
        }
        self.note.clear();
        if self.has_help {
            self.has_help = false;
            return Ok(After::Draw);
        }
        let was_playing = self.playing;
        self.playing = Pace::Stands;
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Ok(After::End(Exit::SUCCESS)),
            KeyCode::Char('?' | 'h') => self.has_help = true,
            KeyCode::Char(' ') if was_playing == Pace::Stands && !self.is_at_end() => {
                self.playing = Pace::Plays;
            }
            KeyCode::Char('s') if was_playing != Pace::PlaysSlowly && !self.is_at_end() => {
                self.playing = Pace::PlaysSlowly;
            }
            KeyCode::Char('v') => {
                let other = self.version.other();
                *self = Self::begin(self.lesson, other, self.workers, Schedule::default())?;
            }
            KeyCode::Char('f') => {
                self.is_searching = true;
                self.note = "looking for the shortest failure …".to_owned();
            }
            code => self.move_by(code),
        }
        Ok(After::Draw)
    }

    fn move_by(&mut self, code: KeyCode) {
        let ways = match &self.ahead {
            Ahead::Choice { ways, .. } => ways.len(),
            _ => 0,
        };
        match code {
            KeyCode::Up | KeyCode::Char('k') => self.selected = self.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => {
                self.selected = (self.selected + 1).min(ways.saturating_sub(1));
            }
            KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => self.choose(self.selected),
            KeyCode::Char(digit @ '1'..='9') => self.choose(digit as usize - '1' as usize),
            KeyCode::Left | KeyCode::Backspace => self.go_to(self.at.saturating_sub(1)),
            KeyCode::Char('n') => self.go_to(self.course.next_told(self.at)),
            KeyCode::Char('p') => self.go_to(self.course.told_before(self.at)),
            KeyCode::Char('e') | KeyCode::End => self.go_to(u32::MAX),
            KeyCode::Char('b') | KeyCode::Home => self.go_to(0),
            KeyCode::Char('u') => {
                self.course = self.stepper.run(&Schedule::default());
                self.go_to(0);
            }
            _ => {}
        }
    }

    /// The lines that are printed when the screen is left: the schedule, and how to come back to it.
    pub(super) fn farewell(&self) -> Vec<String> {
        let schedule = self.course.schedule();
        let end = match self.course.failure() {
            Some(failure) => format!("fails ({})", failure.class),
            None => "passes".to_owned(),
        };
        let version = if self.version == Version::Cured { " --cured" } else { "" };
        let workers = self.workers.map(|workers| format!(" --workers {workers}")).unwrap_or_default();
        let usual = schedule.deviations().is_empty();
        let told = if usual { "the usual schedule".to_owned() } else { format!("the schedule {schedule}") };
        let name = self.lesson.name;
        let mut lines = vec![format!("The {} version {end} under {told}.", self.version.name())];
        if !usual {
            lines.push(format!("Back to it: brigade step {name}{version}{workers} --schedule '{schedule}'"));
            lines.push(format!(
                "As a report: brigade explore {name}{version}{workers} --schedule '{schedule}'"
            ));
        }
        lines
    }
}
