//! The terminal's other screen: taken for the quiz, and given back whatever happens.
//!
//! It is given back by whoever comes first: the guard that is dropped, the panic hook (so that the message is seen), or the thread
//! that waits for signals, just before the process exits. Each may come after another.

use crate::interrupt;
use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::Show,
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};
use std::{
    io::{self, Stdout, stdout},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

static OPEN: AtomicBool = AtomicBool::new(false);

/// The screen while it is ours.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the screen.
    pub(super) fn open() -> io::Result<Self> {
        static HOOKS: Once = Once::new();
        HOOKS.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                close();
                before(info);
            }));
            interrupt::before_leaving(close);
        });
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        // Release: pairs with the swap in `close`. Set before the first change, so that
        // whatever interrupts the changes takes them back.
        OPEN.store(true, Ordering::Release);
        let mut screen = Self { terminal };
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen)?;
        screen.terminal.clear()?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        close();
    }
}

/// Gives the screen back, if it is taken.
fn close() {
    // AcqRel: pairs with itself and with the store in `open`; only one gives it back.
    if OPEN.swap(false, Ordering::AcqRel) {
        // Nothing helps a terminal that is gone.
        let _ = disable_raw_mode();
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    }
}
