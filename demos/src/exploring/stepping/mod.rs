//! `brigade step NAME`: the scheduler by hand. `session` is the run and the keys, `view` draws it.

mod session;
mod view;

use super::lessons::{Lesson, Version};
use crate::{
    scenario::{CommandError, Exit},
    show::{Output, Screen},
};
use brigade_explore::Schedule;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use session::{After, Session};

/// Shows the lesson on the terminal until a key ends it. Then prints the schedule.
pub(super) fn run(
    output: &Output,
    lesson: Lesson,
    version: Version,
    workers: Option<usize>,
    schedule: Schedule,
) -> Result<Exit, CommandError> {
    let no_screen = |error| CommandError::failed("cannot use the terminal", error);
    // The screen comes first. A run is made in a forked child, which has its own hook for panics from then
    // on, and so gives back no screen that is not its own.
    let mut screen = Screen::open().map_err(no_screen)?;
    let mut session = Session::begin(lesson, version, workers, schedule)?;
    let exit = loop {
        screen.terminal.draw(|frame| view::draw(&session, frame)).map_err(no_screen)?;
        if session.has_work() {
            session.work()?;
            continue;
        }
        let has_event = match session.pace() {
            Some(interval) => event::poll(interval).map_err(no_screen)?,
            None => true,
        };
        if !has_event {
            session.play();
            continue;
        }
        let Event::Key(key) = event::read().map_err(no_screen)? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        if let After::End(exit) = session.press(key)? {
            break exit;
        }
    };
    drop(screen);
    session.farewell().iter().for_each(|line| output.line(line));
    Ok(exit)
}
