//! The picture of a session: the lanes so far, the threads and what they wait for, and the ways to go on.

use super::session::{Pace, Session};
use crate::{exploring::lessons::Version, show::wrap};
use brigade_explore::{Ahead, Moment, ThreadMoment, Way};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style},
    text::Line,
    widgets::Paragraph,
};

const PLAIN: Style = Style::new();
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);

/// A smaller terminal shows a message in place of the picture.
const MIN_COLUMNS: u16 = 40;
const MIN_ROWS: u16 = 14;
/// From so many columns on, the state stands beside the lanes.
const WIDE: u16 = 110;
/// The columns of the state beside the lanes.
const STATE_COLUMNS: u16 = 52;
/// The fewest rows of the lanes.
const MIN_LANE_ROWS: u16 = 5;
/// The ways of a choice that are shown at a time.
const WAYS_MAX: usize = 6;

const HELP: &[(&str, &str)] = &[
    ("↑ ↓", "select one of the ways to go on"),
    ("Enter →", "go that way, to the next choice"),
    ("1 to 9", "go this way"),
    ("←", "take one choice back"),
    ("n  p", "to the next event in the lanes, or to the one before"),
    ("b  e", "to the begin, or to the end of the run"),
    ("space", "let it run; space stops it"),
    ("s", "let it run in slow motion (×0.1)"),
    ("f", "find the shortest failure, and go to its first deviation"),
    ("u", "forget all deviations: the usual schedule"),
    ("v", "the other version: broken or cured"),
    ("q", "quit, and print the schedule"),
];

const KEYS: &str =
    "↑↓ Enter choose · ← back · n next event · space play · s slow · e end · f failure · ? help · q quit";
const FEW_KEYS: &str = "Enter ← n e f · ? help · q quit";

/// Draws the session.
pub(super) fn draw(session: &Session, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < MIN_COLUMNS || area.height < MIN_ROWS {
        let (width, height) = (area.width, area.height);
        let words = format!(
            "The terminal has {width} columns and {height} rows. Stepping needs {MIN_COLUMNS} and {MIN_ROWS}: make it \
             larger, or press q."
        );
        return show(frame, area, lines_of(PLAIN, &words, width));
    }
    if session.has_help {
        return draw_help(session, frame);
    }
    let keys = if KEYS.chars().count() <= area.width.into() { KEYS } else { FEW_KEYS };
    let keys = lines_of(FAINT, if session.note.is_empty() { keys } else { &session.note }, area.width);
    let ways = ways(session, area.width);
    let (title, state_columns) = (title(session, area.width), state_columns(area.width));
    let rows = |lines: &[Line<'_>]| u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let [head, middle, choice, foot] = Layout::vertical([
        Constraint::Length(rows(&title)),
        Constraint::Min(MIN_LANE_ROWS),
        Constraint::Length(rows(&ways)),
        Constraint::Length(rows(&keys)),
    ])
    .areas(area);
    let state = state(&session.moment, state_columns);
    let [lanes, beside] = if area.width >= WIDE {
        Layout::horizontal([Constraint::Min(0), Constraint::Length(STATE_COLUMNS)]).areas(middle)
    } else {
        let room = middle.height.saturating_sub(MIN_LANE_ROWS);
        Layout::vertical([Constraint::Min(0), Constraint::Length(rows(&state).min(room))]).areas(middle)
    };
    show(frame, head, title);
    show_end(frame, lanes, session);
    show(frame, beside, state);
    show(frame, choice, ways);
    show(frame, foot, keys);
}

fn state_columns(width: u16) -> u16 {
    if width >= WIDE { STATE_COLUMNS } else { width }
}

fn show(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'_>>) {
    frame.render_widget(Paragraph::new(lines), area);
}

fn lines_of(style: Style, words: &str, width: u16) -> Vec<Line<'static>> {
    wrap(words, width.into()).into_iter().map(|line| Line::styled(line, style)).collect()
}

fn title(session: &Session, width: u16) -> Vec<Line<'static>> {
    let version = match session.version {
        Version::Broken => "broken",
        Version::Cured => "cured",
    };
    let pace = match session.playing {
        Pace::Stands => "",
        Pace::Plays => " · plays",
        Pace::PlaysSlowly => " · plays ×0.1",
    };
    let (at, of) = (session.at, session.course.choices());
    let made = session.course.before(session.at);
    let schedule = if made.deviations().is_empty() { "no deviation so far".into() } else { made.to_string() };
    let name = session.lesson.name;
    let time = time(session.moment.nanos);
    let mut lines =
        lines_of(STRONG, &format!("step {name} · {version} · choice {at} of {of} · {time}{pace}"), width);
    lines.extend(lines_of(FAINT, &schedule, width));
    lines
}

/// Shows the lanes so far. If they have more rows than there is room for, the last ones are shown.
fn show_end(frame: &mut Frame<'_>, area: Rect, session: &Session) {
    let text = session.course.lanes(session.at, area.width.into());
    let lines: Vec<&str> = text.lines().collect();
    // The names of the lanes stay. They may take two rows.
    let head = lines.iter().take(3).position(|line| line.starts_with('─')).map_or(0, |line| line + 1);
    let room = usize::from(area.height).saturating_sub(head);
    let rest = &lines[head.min(lines.len())..];
    let shown = lines.iter().take(head).chain(&rest[rest.len().saturating_sub(room)..]);
    let lines = shown.map(|line| Line::styled((*line).to_owned(), PLAIN)).collect();
    show(frame, area, lines);
}

/// The threads, and what waits, is held, or lies in a queue.
fn state(moment: &Moment, width: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for thread in moment.threads.iter().filter(|thread| !thread.has_ended) {
        let words = thread_words(thread);
        lines.extend(lines_of(if thread.state == "runs" { STRONG } else { PLAIN }, &words, width));
    }
    if !moment.ready.is_empty() {
        lines.extend(lines_of(PLAIN, &format!("ready to run: {}", moment.ready.join(", ")), width));
    }
    let others = moment.queues.iter().chain(&moment.holds).chain(&moment.waits);
    others.for_each(|words| lines.extend(lines_of(PLAIN, words, width)));
    lines
}

fn thread_words(thread: &ThreadMoment) -> String {
    let ThreadMoment { name, label, state, runs, .. } = thread;
    let label = if label == name { String::new() } else { format!(" ({label})") };
    let runs = runs.as_ref().map(|work| format!(", in {work}")).unwrap_or_default();
    format!("{name}{label} {state}{runs}")
}

/// The ways to go on, or the end of the run.
fn ways(session: &Session, width: u16) -> Vec<Line<'static>> {
    let (key, ways) = match &session.ahead {
        Ahead::Choice { key, ways } => (key, ways),
        Ahead::Finished => return lines_of(STRONG, "The run has ended well.", width),
        Ahead::Failed(failure) => {
            let message = failure.message.lines().next().unwrap_or_default();
            let mut lines = lines_of(STRONG, &format!("The run fails: {}", failure.class), width);
            lines.extend(lines_of(PLAIN, message, width).into_iter().take(3));
            lines.extend(
                failure.sites.iter().take(3).flat_map(|site| lines_of(FAINT, &format!("at {site}"), width)),
            );
            return lines;
        }
    };
    let mut lines = lines_of(FAINT, &format!("Choice {key}:"), width);
    let first = session.selected.saturating_sub(WAYS_MAX - 1);
    for (index, way) in ways.iter().enumerate().skip(first).take(WAYS_MAX) {
        let style = if index == session.selected { CHOSEN } else { PLAIN };
        let mut line = way_words(index, way);
        if line.chars().count() > width.into() {
            line = line.chars().take(usize::from(width).saturating_sub(1)).chain(['…']).collect();
        }
        lines.push(Line::styled(line, style));
    }
    if ways.len() > WAYS_MAX {
        lines.extend(lines_of(FAINT, &format!("{} ways in all", ways.len()), width));
    }
    lines
}

fn way_words(index: usize, way: &Way) -> String {
    let usual = if way.value == 0 { " (usual)" } else { "" };
    let next = way.next.as_ref().map(|next| format!(": {}", single_spaced(next))).unwrap_or_default();
    format!(" {} {}{usual}{next} ", index + 1, way.words)
}

fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes a virtual time.
fn time(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{} µs", nanos / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", nanos / 1_000_000),
        _ => format!("{}.{:03} s", nanos / 1_000_000_000, nanos / 1_000_000 % 1_000),
    }
}

fn draw_help(session: &Session, frame: &mut Frame<'_>) {
    let width = frame.area().width;
    let mut lines =
        lines_of(STRONG, &format!("{}: {}", session.lesson.name, session.lesson.bug.about), width);
    lines.extend(lines_of(FAINT, session.lesson.path, width));
    lines.push(Line::raw(""));
    for (keys, words) in HELP {
        let label = format!("{keys:<9}");
        let room = usize::from(width).saturating_sub(label.chars().count());
        for (number, part) in wrap(words, room).into_iter().enumerate() {
            let label = if number == 0 { label.as_str() } else { "         " };
            lines.push(Line::raw(format!("{label}{part}")));
        }
    }
    lines.push(Line::raw(""));
    lines.extend(lines_of(FAINT, "Any key goes back.", width));
    show(frame, frame.area(), lines);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exploring::lessons::Lesson;
    use brigade_explore::Schedule;
    use ratatui::{
        Terminal,
        backend::TestBackend,
        crossterm::event::{KeyCode, KeyEvent},
    };

    fn session(lesson: &str) -> Session {
        let lesson = Lesson::find(lesson).unwrap();
        Session::begin(lesson, Version::Broken, None, Schedule::default()).unwrap()
    }

    fn press(session: &mut Session, keys: &[KeyCode]) {
        for &key in keys {
            session.press(KeyEvent::from(key)).unwrap();
            if session.has_work() {
                session.work().unwrap();
            }
        }
    }

    /// The rows of the picture.
    fn drawn(session: &Session, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(session, frame)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(row).collect()
    }

    #[test]
    fn the_shortest_failure_is_reached_by_keys_and_a_step_back_shows_the_same_picture() {
        let mut session = session("race");
        press(&mut session, &[KeyCode::Char('f')]);
        let before = drawn(&session, 80, 24);
        assert!(before.iter().any(|row| row.contains("w2 (thread) goes on")), "{before:#?}");
        press(&mut session, &[KeyCode::Enter]);
        assert!(drawn(&session, 80, 24)[1].starts_with("w1.preempt."), "the deviation is made");
        press(&mut session, &[KeyCode::Left, KeyCode::Char('n'), KeyCode::Char('p')]);
        press(&mut session, &[KeyCode::Char('f'), KeyCode::Enter, KeyCode::Left]);
        session.note = "the shortest failure: n goes on to it, e to its end".into();
        assert_eq!(drawn(&session, 80, 24), before);
        press(&mut session, &[KeyCode::Char('e')]);
        let end = drawn(&session, 80, 24).join("\n");
        assert!(end.contains("The run fails: panic") && end.contains("load 1"), "{end}");
        let farewell = session.farewell().join("\n");
        assert!(farewell.contains("fails (panic)") && farewell.contains("brigade step race"), "{farewell}");
    }

    #[test]
    fn the_other_way_is_chosen_by_its_number_and_the_usual_schedule_forgets_it() {
        let mut session = session("race");
        let Ahead::Choice { key, ways } = session.ahead.clone() else { panic!("it begins with a choice") };
        assert!(ways.len() > 1 && ways[0].words != ways[1].words);
        press(&mut session, &[KeyCode::Char('2')]);
        assert!(session.course.schedule().has(key) && session.at == 1);
        press(&mut session, &[KeyCode::Char('u')]);
        assert!(session.course.schedule().deviations().is_empty() && session.at == 0);
    }

    #[test]
    fn a_stuck_run_shows_who_holds_what_and_the_cured_one_ends_well() {
        let mut session = session("deadlock");
        press(&mut session, &[KeyCode::Char('f'), KeyCode::Char('e')]);
        for (width, height) in [(80, 24), (200, 50)] {
            let end = drawn(&session, width, height).join("\n");
            for words in ["is held by task#", "waits for lock#", "The run fails: deadlock"] {
                assert!(end.contains(words), "{words}: {end}");
            }
        }
        press(&mut session, &[KeyCode::Char('v'), KeyCode::Char('e')]);
        let end = drawn(&session, 80, 24).join("\n");
        assert!(end.contains("cured") && end.contains("The run has ended well"), "{end}");
    }

    #[test]
    fn a_run_that_plays_comes_to_its_end() {
        let mut session = session("race");
        press(&mut session, &[KeyCode::Char('s')]);
        let slow = session.pace().unwrap();
        press(&mut session, &[KeyCode::Char(' '), KeyCode::Char(' ')]);
        assert_eq!(session.pace().unwrap() * 10, slow);
        let most = session.course.choices();
        for _ in 0..most {
            if session.pace().is_some() {
                session.play();
            }
        }
        assert_eq!((session.pace(), session.at), (None, most));
    }

    #[test]
    fn each_size_shows_a_picture_or_a_message() {
        let mut session = session("deadlock");
        press(&mut session, &[KeyCode::Char('f'), KeyCode::Char('e')]);
        for (width, height) in [(1, 1), (39, 24), (80, 13)] {
            let shown = drawn(&session, width, height).join(" ");
            assert!(shown.contains("Stepping needs") || width < 20, "{shown}");
        }
        for (width, height) in [(40, 14), (80, 24), (109, 20), (110, 20), (200, 60)] {
            let shown = drawn(&session, width, height).join("\n");
            assert!(shown.contains("step deadlock") && shown.contains("fails"), "{width} {height}: {shown}");
            session.has_help = true;
            assert!(drawn(&session, width, height).join("\n").contains("lock"));
            session.has_help = false;
        }
    }
}
