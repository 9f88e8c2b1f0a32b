//! The quiz: a question, the user's answer, the card's answer, and whether the user knew it.

use super::{
    deck::Card,
    schedule::{BOX_MAX, Grade, QuizSession},
    store::{Opened, Store, not_kept},
};
use crate::{
    scenario::{CommandError, Exit, Scenario},
    show::{Output, Screen, wrap},
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

/// The styles of text; colours are left to the terminal.
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const FAINT: Style = Style::new().add_modifier(Modifier::DIM);

/// The most columns that text takes.
const TEXT_COLUMNS_MAX: u16 = 100;

/// The exit code that a shell reports for Ctrl-C.
const CTRL_C: Exit = Exit(130);

/// Asks the cards that are due. Where the progress cannot be kept, a note says so, and the quiz goes on.
///
/// # Errors
///
/// Fails if the terminal cannot be used.
pub(super) fn run(output: &Output, deck: Vec<&'static Card>) -> Result<Exit, CommandError> {
    let Opened { store, progress, note } = Store::open();
    let ids: Vec<&'static str> = deck.iter().map(|card| card.id).collect();
    let session = QuizSession::begin(progress, &ids);
    let mut quiz = Quiz { deck, session, typed: String::new(), revealed: false, known: 0, note };
    let exit = ask(output, &mut quiz, store)?;
    let (session, due) = (&quiz.session, quiz.session.queue.len());
    if let Some(note) = &quiz.note {
        output.paragraph(note);
    }
    let rest = if due == 0 { "nothing is left".into() } else { format!("{due} left") };
    output.line(format_args!("Session {}: {} known, {rest}.", session.number, quiz.known));
    Ok(exit)
}

fn ask(output: &Output, quiz: &mut Quiz, mut store: Option<Store>) -> Result<Exit, CommandError> {
    let no_screen = |error| CommandError::failed("cannot use the terminal", error);
    let mut screen = Screen::open().map_err(no_screen)?;
    while let Some(card) = quiz.card() {
        screen.terminal.draw(|frame| quiz.draw(card, frame)).map_err(no_screen)?;
        let Event::Key(key) = event::read().map_err(no_screen)? else { continue };
        match quiz.press(key, card) {
            Action::None => {}
            Action::Save => {
                if let Some(Err(why)) = store.as_ref().map(|store| store.save(&quiz.session.progress)) {
                    (store, quiz.note) = (None, Some(not_kept(&why)));
                }
            }
            Action::Show(scenario) => {
                drop(screen);
                show(output, scenario)?;
                screen = Screen::open().map_err(no_screen)?;
            }
            Action::End(exit) => return Ok(exit),
        }
    }
    Ok(Exit::SUCCESS)
}

/// Shows a scenario as its command would, and waits for Enter.
fn show(output: &Output, scenario: &Scenario) -> Result<(), CommandError> {
    let output = output.for_scenario(scenario.name);
    // The quiz goes on after a scenario that fails.
    if let Err(error) = scenario.show_with_defaults(&output) {
        output.paragraph(&error.message);
    }
    output.line("");
    output.line("Enter leads back to the cards.");
    let read = io::stdin().read_line(&mut String::new());
    read.map(|_| ()).map_err(|error| CommandError::failed("cannot read the terminal", error))
}

/// The action that follows a key.
#[derive(Debug)]
enum Action {
    None,
    Save,
    Show(&'static Scenario),
    End(Exit),
}

#[derive(Debug)]
struct Quiz {
    /// The cards that may be asked.
    deck: Vec<&'static Card>,
    session: QuizSession,
    typed: String,
    revealed: bool,
    /// How many cards the user knew in this session.
    known: usize,
    /// A message about the store, if there is one.
    note: Option<String>,
}

impl Quiz {
    /// The card that is asked now.
    fn card(&self) -> Option<&'static Card> {
        let id = *self.session.queue.front()?;
        self.deck.iter().copied().find(|card| card.id == id)
    }

    fn press(&mut self, key: KeyEvent, card: &Card) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::None;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, control) {
            (KeyCode::Char('c'), true) => return Action::End(CTRL_C),
            (KeyCode::Esc, _) | (KeyCode::Char('d'), true) => return Action::End(Exit::SUCCESS),
            _ => {}
        }
        if self.revealed { self.judge(key.code, card) } else { self.write(key.code, control) }
    }

    /// Handles a key while the answer is hidden.
    fn write(&mut self, code: KeyCode, control: bool) -> Action {
        match (code, control) {
            (KeyCode::Enter, _) => self.revealed = true,
            (KeyCode::Backspace, _) => drop(self.typed.pop()),
            (KeyCode::Char('u'), true) => self.typed.clear(),
            (KeyCode::Char(letter), false) => self.typed.push(letter),
            _ => {}
        }
        Action::None
    }

    /// Handles a key while the answer is shown.
    fn judge(&mut self, code: KeyCode, card: &Card) -> Action {
        let grade = match (code, card.scenario) {
            (KeyCode::Char('g'), _) => Grade::Good,
            (KeyCode::Char('a'), _) => Grade::Again,
            (KeyCode::Char('r'), Some(scenario)) => return Action::Show(scenario),
            (KeyCode::Char('q'), _) => return Action::End(Exit::SUCCESS),
            _ => return Action::None,
        };
        self.known += usize::from(grade == Grade::Good);
        self.session.grade(grade);
        self.revealed = false;
        self.typed.clear();
        Action::Save
    }

    fn draw(&self, card: &Card, frame: &mut Frame<'_>) {
        let width = usize::from(frame.area().width.min(TEXT_COLUMNS_MAX));
        let keys: Vec<_> =
            wrap(self.keys(card), width).into_iter().map(|line| Line::styled(line, FAINT)).collect();
        let foot = Constraint::Length(keys.len().try_into().unwrap_or(u16::MAX));
        let [body, foot] = Layout::vertical([Constraint::Min(0), foot]).areas(frame.area());
        let mut lines = Vec::new();
        let mut add = |style: Style, text: &str| {
            lines.extend(wrap(text, width).into_iter().map(|line| Line::styled(line, style)));
        };
        let level = self.session.progress.cards.get(card.id).map_or(0, |state| state.level);
        let (number, left) = (self.session.number, self.session.queue.len());
        add(FAINT, &format!("brigade cards · session {number} · {left} to go · box {level} of {BOX_MAX}"));
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
        // If not everything fits, the end is shown, because it is new.
        let above = lines.len().saturating_sub(body.height.into()).try_into().unwrap_or(u16::MAX);
        frame.render_widget(Paragraph::new(lines).scroll((above, 0)), body);
        frame.render_widget(Paragraph::new(keys), foot);
    }

    fn keys(&self, card: &Card) -> &'static str {
        match (self.revealed, card.scenario) {
            (false, _) => "Enter: reveal · Esc: end (type your answer, or think it)",
            (true, Some(_)) => "g: good, knew it · a: again · r: run it · q: end",
            (true, None) => "g: good, knew it · a: again · q: end",
        }
    }
}
