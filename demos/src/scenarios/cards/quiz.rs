//! The quiz: a question, your answer, the card's answer, and whether you knew it.

use super::{
    deck::{self, Card},
    schedule::{Grade, Session, TOP},
    screen::Screen,
    store::Store,
};
use crate::{
    scenario::{Exit, Scenario, Trouble},
    show::{Stage, wrap},
};
use ratatui::{
    Frame,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    layout::{Constraint, Layout},
    style::{Modifier, Style},
    text::Line,
    widgets::Paragraph,
};
use std::io;

/// How text is set: colours are left to the terminal.
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
/// The widest that text gets.
const WIDTH_MAX: u16 = 100;
/// What a shell reports for Ctrl-C.
const INTERRUPTED: Exit = Exit(130);

/// Asks what is due.
///
/// # Errors
///
/// If the terminal cannot be used or what you know cannot be kept.
pub(super) fn run(stage: &Stage) -> Result<Exit, Trouble> {
    let store = Store::of_user()?;
    let (progress, note) = store.load()?;
    let deck: Vec<&'static str> = deck::all().map(|card| card.id).collect();
    let mut quiz = Quiz {
        session: Session::begin(progress, &deck),
        typed: String::new(),
        revealed: false,
        known: 0,
        note,
    };
    let exit = ask(stage, &mut quiz, &store)?;
    let (session, due) = (&quiz.session, quiz.session.queue.len());
    if let Some(note) = &quiz.note {
        stage.paragraph(note);
    }
    let rest = if due == 0 { "nothing is left".into() } else { format!("{due} left") };
    stage.line(format_args!("Session {}: {} known, {rest}.", session.number, quiz.known));
    Ok(exit)
}

fn ask(stage: &Stage, quiz: &mut Quiz, store: &Store) -> Result<Exit, Trouble> {
    let no_screen = |error| Trouble::failed("cannot use the terminal", error);
    let mut screen = Screen::open().map_err(no_screen)?;
    while let Some(card) = quiz.card() {
        screen.terminal.draw(|frame| quiz.draw(card, frame)).map_err(no_screen)?;
        let Event::Key(key) = event::read().map_err(no_screen)? else { continue };
        match quiz.press(key, card) {
            Step::Stay => {}
            Step::Save => store.save(&quiz.session.progress)?,
            Step::Show(scenario) => {
                drop(screen);
                show(stage, scenario)?;
                screen = Screen::open().map_err(no_screen)?;
            }
            Step::End(exit) => return Ok(exit),
        }
    }
    Ok(Exit::FINE)
}

/// Runs a scenario as its command would, and waits for Enter.
fn show(stage: &Stage, scenario: &Scenario) -> Result<(), Trouble> {
    let stage = stage.for_scenario(scenario.name);
    // A scenario that fails is no reason to end the quiz.
    if let Err(trouble) = scenario.run_with_defaults(&stage) {
        stage.paragraph(&trouble.message);
    }
    stage.line("");
    stage.line("Enter leads back to the cards.");
    let read = io::stdin().read_line(&mut String::new());
    read.map(|_| ()).map_err(|error| Trouble::failed("cannot read the terminal", error))
}

/// What a key leads to.
#[derive(Debug)]
enum Step {
    Stay,
    Save,
    Show(&'static Scenario),
    End(Exit),
}

#[derive(Debug)]
struct Quiz {
    session: Session,
    typed: String,
    revealed: bool,
    /// How many were known in this session.
    known: usize,
    /// What is to be said about the store.
    note: Option<String>,
}

impl Quiz {
    /// The card in front.
    fn card(&self) -> Option<&'static Card> {
        let id = *self.session.queue.front()?;
        deck::all().find(|card| card.id == id)
    }

    fn press(&mut self, key: KeyEvent, card: &Card) -> Step {
        if key.kind == KeyEventKind::Release {
            return Step::Stay;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, control) {
            (KeyCode::Char('c'), true) => return Step::End(INTERRUPTED),
            (KeyCode::Esc, _) | (KeyCode::Char('d'), true) => return Step::End(Exit::FINE),
            _ => {}
        }
        if self.revealed { self.judge(key.code, card) } else { self.write(key.code, control) }
    }

    /// A key while the answer is hidden.
    fn write(&mut self, code: KeyCode, control: bool) -> Step {
        match (code, control) {
            (KeyCode::Enter, _) => self.revealed = true,
            (KeyCode::Backspace, _) => drop(self.typed.pop()),
            (KeyCode::Char('u'), true) => self.typed.clear(),
            (KeyCode::Char(letter), false) => self.typed.push(letter),
            _ => {}
        }
        Step::Stay
    }

    /// A key while the answer is seen.
    fn judge(&mut self, code: KeyCode, card: &Card) -> Step {
        let grade = match (code, card.scenario) {
            (KeyCode::Char('g'), _) => Grade::Good,
            (KeyCode::Char('a'), _) => Grade::Again,
            (KeyCode::Char('r'), Some(scenario)) => return Step::Show(scenario),
            (KeyCode::Char('q'), _) => return Step::End(Exit::FINE),
            _ => return Step::Stay,
        };
        self.known += usize::from(grade == Grade::Good);
        self.session.grade(grade);
        self.revealed = false;
        self.typed.clear();
        Step::Save
    }

    fn draw(&self, card: &Card, frame: &mut Frame<'_>) {
        let [body, foot] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
        let width = usize::from(body.width.min(WIDTH_MAX));
        let mut lines = Vec::new();
        let mut add = |style: Style, text: &str| {
            lines.extend(wrap(text, width).into_iter().map(|line| Line::styled(line, style)));
        };
        let level = self.session.progress.cards.get(card.id).map_or(0, |place| place.level);
        let (number, left) = (self.session.number, self.session.queue.len());
        add(FAINT, &format!("brigade cards · session {number} · {left} to go · box {level} of {TOP}"));
        if let Some(note) = &self.note {
            add(Style::new(), note);
        }
        add(STRONG, "");
        add(STRONG, card.question);
        add(FAINT, "");
        add(Style::new(), &format!("> {}{}", self.typed, if self.revealed { "" } else { "_" }));
        if self.revealed {
            add(Style::new(), "");
            add(Style::new(), card.answer);
            add(FAINT, "");
            add(FAINT, &format!("Proved by {}", card.proof));
            if let Some(Scenario { name, .. }) = card.scenario {
                add(FAINT, &format!("Shown by brigade {name}: r runs it"));
            }
        }
        // Where not all of it fits, the end is what is new.
        let above = lines.len().saturating_sub(body.height.into()).try_into().unwrap_or(u16::MAX);
        frame.render_widget(Paragraph::new(lines).scroll((above, 0)), body);
        frame.render_widget(Line::styled(self.keys(card), FAINT), foot);
    }

    fn keys(&self, card: &Card) -> &'static str {
        match (self.revealed, card.scenario) {
            (false, _) => "Enter: reveal · Esc: end (type your answer, or think it)",
            (true, Some(_)) => "g: good, knew it · a: again · r: run it · q: end",
            (true, None) => "g: good, knew it · a: again · q: end",
        }
    }
}
